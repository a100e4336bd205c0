// Draws promised against delivered power. Knows nothing of the page but its colours.

const LEFT = 58;
const RIGHT = 8;
const TOP = 10;
const BOTTOM = 22;
const STEPS = [1, 2, 2.5, 5, 10];
const TICKS_WANTED = 5;
const HEIGHT_MIN_W = 1000;

function colours(canvas) {
  const style = getComputedStyle(canvas);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    ink: read("--quiet"), edge: read("--edge"), band: read("--band"),
    promised: read("--promised"), delivered: read("--delivered"), font: style.fontFamily,
  };
}

function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

function range(points, bandW) {
  const least = Math.max(bandW, HEIGHT_MIN_W / 2);
  let low = -least;
  let high = least;
  for (const point of points) {
    low = Math.min(low, point.promised - bandW, point.delivered);
    high = Math.max(high, point.promised + bandW, point.delivered);
  }
  const rough = (high - low) / TICKS_WANTED;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * STEPS.find((one) => one * power >= rough);
  return { low: Math.floor(low / step) * step, high: Math.ceil(high / step) * step, step };
}

// Runs of consecutive seconds: a missing second breaks the line.
function runs(points) {
  const found = [];
  let run = [];
  for (const point of points) {
    if (run.length && point.second !== run[run.length - 1].second + 1) {
      found.push(run);
      run = [];
    }
    run.push(point);
  }
  if (run.length) found.push(run);
  return found;
}

function grid(view, vertical, labels) {
  const { pen, width, height, x, y, paint } = view;
  pen.font = `12px ${paint.font}`;
  pen.lineWidth = 1;
  pen.setLineDash([]);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  const places = vertical.step % 1000 === 0 ? 0 : vertical.step % 100 === 0 ? 1 : 2;
  for (let value = vertical.low; value <= vertical.high + vertical.step / 2; value += vertical.step) {
    const at = Math.round(y(value)) + 0.5;
    pen.strokeStyle = Math.abs(value) < vertical.step / 2 ? paint.ink : paint.edge;
    line(pen, LEFT, at, width - RIGHT, at);
    pen.fillStyle = paint.ink;
    pen.fillText((value / 1000).toFixed(places).replace("-", "−"), LEFT - 6, at);
  }
  pen.textAlign = "left";
  pen.textBaseline = "top";
  pen.fillText("kW", 2, 2);
  pen.textAlign = "center";
  pen.strokeStyle = paint.edge;
  for (let second = Math.ceil(view.from / 60) * 60; second <= view.to; second += 60) {
    const at = Math.round(x(second)) + 0.5;
    line(pen, at, TOP, at, height - BOTTOM);
    if (at > LEFT + 18 && at < width - 20) pen.fillText(labels.time(second), at, height - BOTTOM + 5);
  }
}

function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

function band(view, run, bandW) {
  const { pen, x, y, paint } = view;
  pen.fillStyle = paint.band;
  pen.beginPath();
  for (const one of run) {
    pen.lineTo(x(one.second), y(one.promised + bandW));
    pen.lineTo(x(one.second + 1), y(one.promised + bandW));
  }
  for (const one of [...run].reverse()) {
    pen.lineTo(x(one.second + 1), y(one.promised - bandW));
    pen.lineTo(x(one.second), y(one.promised - bandW));
  }
  pen.closePath();
  pen.fill();
}

function promised(view, run) {
  const { pen, x, y, paint } = view;
  pen.strokeStyle = paint.promised;
  pen.lineWidth = 1.5;
  pen.setLineDash([5, 3]);
  pen.beginPath();
  for (const one of run) {
    pen.lineTo(x(one.second), y(one.promised));
    pen.lineTo(x(one.second + 1), y(one.promised));
  }
  pen.stroke();
}

function delivered(view, run) {
  const { pen, x, y, paint } = view;
  pen.strokeStyle = paint.delivered;
  pen.lineCap = "round";
  let at = 0;
  while (at < run.length) {
    const complete = run[at].complete;
    let end = at;
    while (end + 1 < run.length && run[end + 1].complete === complete) end += 1;
    pen.lineWidth = complete ? 2 : 2.5;
    pen.setLineDash(complete ? [] : [0.1, 4.5]);
    pen.beginPath();
    for (let i = Math.max(at - 1, 0); i <= end; i += 1) {
      pen.lineTo(x(run[i].second + 0.5), y(run[i].delivered));
    }
    pen.stroke();
    at = end + 1;
  }
  pen.lineCap = "butt";
}

// points: {second, promised, delivered, complete}, by second; labels: {time(second), empty}.
export function drawChart(canvas, { points, bandW, to, spanS, labels }) {
  const { pen, width, height } = fit(canvas);
  const paint = colours(canvas);
  const from = to - spanS;
  const shown = points.filter((one) => one.second >= from && one.second <= to);
  const vertical = range(shown, bandW);
  const x = (second) => LEFT + ((second - from) / spanS) * (width - LEFT - RIGHT);
  const y = (value) =>
    TOP + ((vertical.high - value) / (vertical.high - vertical.low)) * (height - TOP - BOTTOM);
  const view = { pen, width, height, from, to, x, y, paint };
  const parts = runs(shown);
  pen.save();
  pen.beginPath();
  pen.rect(LEFT, 0, width - LEFT - RIGHT, height);
  pen.clip();
  for (const run of parts) band(view, run, bandW);
  pen.restore();
  grid(view, vertical, labels);
  for (const run of parts) promised(view, run);
  for (const run of parts) delivered(view, run);
  pen.setLineDash([]);
  if (!shown.length) {
    pen.fillStyle = paint.ink;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(labels.empty, (LEFT + width) / 2, height / 2);
  }
}
