// The live page. What the server sends reaches the page as text only, never as markup.

import { drawChart } from "./chart.js";
import { WORDS } from "./words.js";

const SPAN_S = 300;
const KEPT_S = 600;
const OLD_AFTER_S = 3.5;
const REOPEN_AFTER_S = 10;
const STALE_AFTER_S = 3;
const POINT_OLD_AFTER_S = 6;
const SPOKEN_EVERY_S = 15;
const LINKS = ["live", "late", "lost", "never"];
const MARKS = { live: "●", late: "◐", lost: "✕", never: "○", unknown: "?" };
const NONE = "–";

const $ = (id) => document.getElementById(id);
const page = {
  language: "en", message: null, receivedAt: null, openedAt: null, source: null, trouble: false,
  chosen: null, points: new Map(), prices: new Map(), spokenAt: 0,
};

// ---- words and numbers

function word(key) {
  const found = WORDS[key];
  return found ? found[page.language] : key;
}

// The word of something the server named; its own name if there is none.
function named(group, name) {
  const found = WORDS[`${group}.${name}`];
  return found ? found[page.language] : String(name);
}

const fixed = (value, places) => value.toFixed(places).replace("-", "−");
const signed = (value, places) => {
  const text = fixed(value, places);
  return value > 0 && Number(value.toFixed(places)) !== 0 ? `+${text}` : text;
};
const known = (value) => typeof value === "number" && Number.isFinite(value);

function power(watts) {
  if (!known(watts)) return [NONE, ""];
  const size = Math.abs(watts);
  if (size >= 1e6) return [signed(watts / 1e6, 2), "MW"];
  return [signed(watts / 1e3, size >= 1e5 ? 1 : 2), "kW"];
}
const powerText = (watts) => power(watts).join(" ").trim();

function duration(seconds) {
  const whole = Math.floor(seconds);
  const ja = page.language === "ja";
  const [s, min, h, d] = ja ? ["秒", "分", "時間", "日"] : [" s", " min", " h", " d"];
  if (whole < 60) return `${whole}${s}`;
  if (whole < 3600) return `${Math.floor(whole / 60)}${min} ${whole % 60}${s}`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}${h} ${Math.floor((whole % 3600) / 60)}${min}`;
  return `${Math.floor(whole / 86400)}${d} ${Math.floor((whole % 86400) / 3600)}${h}`;
}
const ago = (seconds) =>
  page.language === "ja" ? `${duration(seconds)}${word("ago")}` : `${duration(seconds)} ${word("ago")}`;

const format = (options) =>
  new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Tokyo", hourCycle: "h23", ...options });
const CLOCK = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MINUTE = format({ hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Tokyo" });
const clock = (moment) => CLOCK.format(new Date(moment));
const dayAndClock = (moment) => `${DAY.format(new Date(moment))} ${clock(moment)}`;

// ---- writing to the page

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function figure(id, [value, unit], note, noteClass = "") {
  const node = $(id);
  node.replaceChildren(value);
  if (unit) node.append(make("span", "unit", unit));
  say($(`${id}-note`), note);
  $(`${id}-note`).className = `note ${noteClass}`.trim();
}

// ---- what is fresh

const elapsed = (since) =>
  Math.max((performance.now() - since.steady) / 1e3, (Date.now() - since.wall) / 1e3);
const instant = () => ({ steady: performance.now(), wall: Date.now() });
const messageAge = () => (page.receivedAt === null ? Infinity : elapsed(page.receivedAt));
const isOld = () => page.trouble || messageAge() > OLD_AFTER_S;

function showBanner() {
  const banner = $("banner");
  const old = isOld();
  document.body.classList.toggle("old", old);
  document.body.classList.toggle("waiting", page.message === null);
  banner.hidden = !old;
  if (!old) {
    say($("banner-cause"), "");
    return;
  }
  const cause = $("banner-cause");
  const age = $("banner-age");
  const waiting = page.message === null && !page.trouble && elapsed(page.openedAt) < OLD_AFTER_S;
  banner.className = waiting ? "banner" : "banner lost";
  say(age, "");
  if (waiting) say(cause, word("banner-connecting"));
  else if (page.message === null) say(cause, `⚠ ${word("banner-never")}`);
  else {
    // only the cause is announced: the age changes every second
    say(cause, `⚠ ${page.trouble ? word("banner-trouble") : word("banner-lost")}`);
    say(age, `${clock(page.message.at)} ${word("jst")}, ${ago(messageAge())}. ${word("banner-retry")}`);
  }
}

// ---- awards

function award() {
  const awards = page.message?.awards ?? [];
  return awards.find((one) => one.obligation_id === page.chosen) ?? awards[0] ?? null;
}

function keepPoints(message) {
  const present = new Set(message.awards.map((one) => one.obligation_id));
  for (const id of page.points.keys()) if (!present.has(id)) page.points.delete(id);
  for (const one of message.awards) {
    const kept = page.points.get(one.obligation_id) ?? new Map();
    page.points.set(one.obligation_id, kept);
    for (const point of one.points) {
      kept.set(point.second, {
        second: point.second,
        promised: point.promised_w,
        delivered: point.measured_w + point.booked_w,
        booked: point.booked_w,
        reporting: point.reporting,
        expected: point.expected,
        complete: point.reporting >= point.expected,
      });
    }
    const first = Math.floor(Date.parse(message.at) / 1e3) - KEPT_S;
    for (const second of kept.keys()) if (second < first) kept.delete(second);
  }
}

function pointsOf(one) {
  const kept = one === null ? undefined : page.points.get(one.obligation_id);
  return kept === undefined ? [] : [...kept.values()].sort((a, b) => a.second - b.second);
}

function showChoice(one) {
  const choice = $("award");
  const awards = page.message.awards;
  choice.hidden = awards.length < 2;
  $("award-text").hidden = awards.length > 1;
  say($("award-text"), one === null ? word("award-none") : awardText(one));
  const wanted = awards.map(awardText);
  const shown = [...choice.options].map((option) => option.textContent);
  if (wanted.join("\n") !== shown.join("\n")) {
    choice.replaceChildren(
      ...awards.map((each) => {
        const option = make("option", "", awardText(each));
        option.value = each.obligation_id;
        return option;
      }),
    );
  }
  if (one !== null && choice.value !== one.obligation_id) choice.value = one.obligation_id;
}

const awardText = (one) =>
  `${one.obligation_id} · ${named("service", one.service)} · ${named("state", one.state)}`;

function showFigures(one, points) {
  const last = points.at(-1);
  if (one === null) {
    $("figures").classList.remove("stale");
    for (const id of ["command", "promised", "delivered", "error", "multiplier"]) figure(id, [NONE, ""], "");
    return;
  }
  const at = Date.parse(page.message.at) / 1e3;
  const ended = Date.parse(one.end) / 1e3 <= at;
  const lag = last === undefined ? 0 : at - last.second;
  const stale = ended || lag > POINT_OLD_AFTER_S;
  $("figures").classList.toggle("stale", stale);
  figure("command", ended ? [NONE, ""] : power(one.command_w), ended ? word("ended") : `${word("of-award")} ${powerText(one.award_w).replace("+", "±")}`);
  const held = one.held ? ` · ${one.held} ${word("held")}` : "";
  const shortfall = one.shortfall_w > 0.5 ? ` · ${word("shortfall")} ${fixed(one.shortfall_w / 1e3, 2)} kW` : "";
  const sites = known(one.following) ? `${one.following} ${word("following")}${held}${shortfall}` : "";
  const price = known(one.multiplier) && !ended ? [fixed(one.multiplier, 2), word("multiplier-unit")] : [NONE, ""];
  figure("multiplier", price, ended ? word("ended") : sites);
  if (last === undefined) {
    for (const id of ["promised", "delivered", "error"]) figure(id, [NONE, ""], word("chart-empty"));
    return;
  }
  const second = `${word("at-second")} ${clock(last.second * 1e3)} JST`;
  figure("promised", power(last.promised), stale ? `${second} · ${ago(lag)}` : second);
  const measured = `${last.reporting}/${last.expected}`;
  const share = last.complete
    ? `${word("all-measured")} (${measured})`
    : `${word("presumed")} ${powerText(last.booked)} (${measured})`;
  figure("delivered", power(last.delivered), share);
  const error = last.delivered - last.promised;
  const inside = Math.abs(error) <= one.band_w;
  const percent = one.award_w > 0 ? [signed((100 * error) / one.award_w, 1), "%"] : [NONE, ""];
  figure("error", percent, inside ? word("within") : word("outside"), inside ? "good" : "bad");
}

function showChart(one, points) {
  const to = Date.parse(page.message.at) / 1e3;
  const end = one === null ? to : Math.min(to, Date.parse(one.end) / 1e3);
  const recent = points.filter((point) => point.second >= end - SPAN_S);
  const inside = recent.filter((point) => Math.abs(point.delivered - point.promised) <= one.band_w);
  const share = recent.length ? `${fixed((100 * inside.length) / recent.length, 1)} %` : NONE;
  say($("in-band"), recent.length ? `${share} (${inside.length}/${recent.length})` : NONE);
  drawChart($("chart"), {
    points: recent,
    bandW: one === null ? 0 : one.band_w,
    to: end,
    spanS: SPAN_S,
    labels: { time: (second) => MINUTE.format(new Date(second * 1e3)), empty: word("chart-empty") },
  });
  const last = recent.at(-1);
  if (last === undefined || performance.now() - page.spokenAt < SPOKEN_EVERY_S * 1e3) return;
  page.spokenAt = performance.now();
  say(
    $("chart-text"),
    `${clock(last.second * 1e3)} JST: ${word("promised")} ${powerText(last.promised)}, ` +
      `${word("delivered")} ${powerText(last.delivered)}, ${word("in-band")} ${share}`,
  );
}

// ---- fleet and sites

function count(group, name, number, className, mark) {
  const item = make("li", number ? className : `${className} none`);
  if (mark) item.append(make("span", "mark", mark));
  item.append(make("strong", "", String(number)), named(group, name));
  return item;
}

function showFleet(fleet) {
  say($("site-count"), String(fleet.sites));
  $("links").replaceChildren(
    ...LINKS.map((name) => count("link", name, fleet[name], fleet[name] ? name : "", MARKS[name])),
  );
  $("modes").replaceChildren(
    ...Object.entries(fleet.modes)
      .filter(([name, number]) => number || name !== "unknown")
      .map(([name, number]) => count("mode", name, number, "")),
  );
  say($("meters"), fleet.live ? powerText(fleet.meter_w) : NONE);
}

const COLUMNS = ["link", "age", "share", "delivered", "soc", "mode"];

function siteRow(siteId) {
  const row = make("tr");
  row.dataset.site = siteId;
  row.setAttribute("role", "row");
  const head = make("th", "", siteId);
  head.scope = "row";
  head.setAttribute("role", "rowheader");
  row.append(head);
  for (const name of COLUMNS) {
    const cell = make("td", name === "link" || name === "age" ? name : `${name} value`);
    if (["share", "delivered", "soc"].includes(name)) cell.classList.add("number");
    cell.setAttribute("role", "cell");
    row.append(cell);
  }
  return row;
}

function fillRow(row, site, old) {
  const age = known(site.age_s) ? site.age_s + messageAge() : null;
  const stale = old || site.link !== "live" || age === null || age > STALE_AFTER_S;
  row.className = `${old ? "" : site.link}${stale ? " stale" : ""}`.trim();
  const link = old ? "unknown" : site.link;
  const cells = Object.fromEntries(COLUMNS.map((name, at) => [name, row.cells[at + 1]]));
  for (const name of COLUMNS) cells[name].dataset.name = word(name);
  cells.link.replaceChildren(make("span", "mark", MARKS[link] ?? "?"), named("link", link));
  cells.age.replaceChildren(age === null ? word("no-sample") : ago(age));
  if (stale && age !== null) cells.age.append(make("span", "tag", word("old")));
  say(cells.share, powerText(site.share_w));
  say(cells.delivered, powerText(site.delivered_w));
  say(cells.soc, known(site.soc) ? `${fixed(100 * site.soc, 0)} %` : NONE);
  say(cells.mode, site.mode === null ? NONE : named("mode", site.mode));
}

function showSites(message) {
  const body = $("sites");
  const old = isOld();
  const rows = new Map([...body.rows].map((row) => [row.dataset.site, row]));
  const wanted = message.sites.map((site) => {
    const row = rows.get(site.site_id) ?? siteRow(site.site_id);
    fillRow(row, site, old);
    return row;
  });
  const moved = wanted.length !== body.rows.length || wanted.some((row, at) => body.rows[at] !== row);
  if (moved) body.replaceChildren(...wanted);
  $("sites-none").hidden = message.fleet.sites > 0;
  $("left-out").hidden = message.sites_left_out === 0;
  say($("left-out"), `${word("left-out")} ${message.sites_left_out}`);
}

// ---- lists

function link(href, text) {
  const node = make("a", "", text);
  node.href = href;
  return node;
}

async function askPrice(id) {
  if (page.prices.has(id)) return;
  page.prices.set(id, null);
  try {
    const response = await fetch(`/api/v1/obligations/${encodeURIComponent(id)}`);
    if (!response.ok) throw new Error(String(response.status));
    page.prices.set(id, String((await response.json()).price_jpy_per_kw_30min));
  } catch {
    setTimeout(() => page.prices.delete(id), REOPEN_AFTER_S * 1e3);
  }
}

function obligationItem(one) {
  const item = make("li");
  const path = `/api/v1/obligations/${encodeURIComponent(one.obligation_id)}`;
  const head = make("div", "head");
  head.append(
    make("strong", "", one.obligation_id),
    make("span", "", named("service", one.service)),
    make("span", "tag", named("state", one.state)),
  );
  const price = page.prices.get(one.obligation_id);
  const facts = [
    `${powerText(one.award_w).replace("+", "±")} (±${fixed(one.tolerance_w / 1e3, 2)} kW)`,
    `${word("accepted-sites")} ${one.sites_accepted}/${one.sites_committed}`,
    ...(price ? [`${word("price")} ${price} ${word("price-unit")}`] : []),
  ];
  const links = make("div", "small");
  links.append(
    `${word("evidence")}: `,
    link(`${path}/statement`, word("statement")), " · ",
    link(`${path}/delivery?format=csv`, word("delivery-csv")),
  );
  const period = `${dayAndClock(one.start)} – ${clock(one.end)} JST`;
  item.append(head, make("div", "time", period), make("div", "", facts.join(" · ")), links);
  return item;
}

function plainText(payload) {
  return Object.entries(payload)
    .filter(([, value]) => value !== "" && value !== null)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}

function eventItem(event) {
  const item = make("li");
  const head = make("div", "head");
  head.append(
    make("span", "time", `${dayAndClock(event.recorded_at)} JST`),
    make("strong", "", event.site_id ?? word("coordinator")),
    make("span", "", named("event", event.kind)),
  );
  item.append(head, make("code", "", [event.kind, plainText(event.payload)].filter(Boolean).join(" · ")));
  return item;
}

// Lists are rebuilt only when they change, so that a reader's place and focus stay.
function showList(id, items, build, signature) {
  $(`${id}-none`).hidden = items.length > 0;
  const list = $(id);
  if (list.dataset.shown === signature) return;
  list.dataset.shown = signature;
  list.replaceChildren(...items.map(build));
}

function showLists(message) {
  for (const one of message.awards) askPrice(one.obligation_id);
  const about = ({ points: _points, command_w: _c, multiplier: _m, ...rest }) => [
    rest.obligation_id, rest.state, rest.sites_accepted, rest.sites_committed, page.prices.get(rest.obligation_id),
  ];
  const awards = JSON.stringify([page.language, message.awards.map(about)]);
  showList("obligations", message.awards, obligationItem, awards);
  const events = JSON.stringify([page.language, message.events.map((one) => one.event_key)]);
  showList("events", message.events, eventItem, events);
}

// ---- the page as a whole

function showAll() {
  showBanner();
  const message = page.message;
  if (message === null) return;
  say($("clock"), dayAndClock(message.at));
  const one = award();
  const points = pointsOf(one);
  showChoice(one);
  showFigures(one, points);
  showChart(one, points);
  showFleet(message.fleet);
  showSites(message);
  showLists(message);
}

function setLanguage(language, { keep }) {
  page.language = language;
  document.documentElement.lang = language;
  document.title = word("title");
  for (const node of document.querySelectorAll("[data-word]")) say(node, word(node.dataset.word));
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", word(node.dataset.label));
  for (const node of document.querySelectorAll("[data-language]")) {
    node.setAttribute("aria-pressed", String(node.dataset.language === language));
  }
  page.spokenAt = -Infinity;
  if (keep) {
    try { localStorage.setItem("language", language); } catch { /* a browser may forbid it */ }
  }
  showAll();
}

// Asked for in the address, chosen before, or what the server read in Accept-Language.
function firstLanguage() {
  let chosen = null;
  try { chosen = localStorage.getItem("language"); } catch { /* a browser may forbid it */ }
  const asked = new URLSearchParams(location.search).get("lang");
  const all = [asked, chosen, document.documentElement.lang, navigator.language.slice(0, 2)];
  return all.find((one) => one === "ja" || one === "en") ?? "en";
}

function receive(event) {
  page.message = JSON.parse(event.data);
  page.receivedAt = instant();
  page.trouble = false;
  keepPoints(page.message);
  showAll();
}

function open() {
  page.source?.close();
  page.openedAt = instant();
  page.source = new EventSource("/api/v1/live");
  page.source.addEventListener("live", receive);
  page.source.addEventListener("trouble", () => {
    page.trouble = true;
    showAll();
  });
}

// A browser gives up after some refusals, and a dead connection may look open: begin anew.
function look() {
  const silent = Math.min(messageAge(), elapsed(page.openedAt));
  if (!page.trouble && silent > REOPEN_AFTER_S) open();
  if (page.trouble && page.source.readyState === EventSource.CLOSED) open();
  if (isOld()) showAll();
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => setLanguage(button.dataset.language, { keep: true }));
}
$("award").addEventListener("change", (event) => {
  page.chosen = event.target.value;
  showAll();
});
window.addEventListener("resize", showAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showAll);
page.openedAt = instant();
setLanguage(firstLanguage(), { keep: false });
open();
setInterval(look, 1000);
