// A storage battery (027D01) on the npm package echonet-lite, with faults to choose from.
// usage: node battery.js PACKAGE_FOLDER plain|refuses|refuses-power|wrong-map
// Prints a JSON line when it is ready and for every Set it is sent.
'use strict';
const EL = require(process.argv[2]);
const kind = process.argv[3];
const EOJ = '027d01';

const watts = (value) => [24, 16, 8, 0].map((bits) => (value >> bits) & 0xff);
const battery = {
  '80': [0x30], '82': [0x00, 0x00, 0x52, 0x00], '88': [0x42], '8a': [0x00, 0x00, 0x77],
  'a0': watts(10000), 'a1': watts(8100), 'aa': watts(0), 'ab': watts(0),
  'c1': [0x01], 'c2': [0x01],
  'c8': watts(0).concat(watts(3000)), 'c9': watts(0).concat(watts(2500)),
  'cf': [0x44], 'd3': watts(0), 'da': [0x46], 'e4': [0x32],
  'eb': watts(0), 'ec': watts(0),
};
const settable = ['aa', 'ab', 'c1', 'c2', 'da', 'eb', 'ec'];

const map = (names) => {
  const epcs = names.map((name) => parseInt(name, 16));
  if (epcs.length < 16) { return [epcs.length].concat(epcs); }
  const rows = new Array(16).fill(0);
  for (const epc of epcs) { rows[epc & 15] |= 1 << ((epc >> 4) - 8); }
  return [epcs.length].concat(rows);
};
battery['9d'] = map(['cf', 'da']);
battery['9e'] = map(settable);
battery['9f'] = map(Object.keys(battery).concat(['9e', '9f']));
if (kind === 'wrong-map') {
  // as a stack does that loses every EPC from C0 on and always says 16
  for (const name of ['9e', '9f']) {
    const rows = new Array(16).fill(0);
    const listed = name === '9e' ? settable : Object.keys(battery);
    for (const epc of listed.map((entry) => parseInt(entry, 16))) {
      if (epc < 0xc0) { rows[epc & 15] |= 1 << ((epc >> 4) - 8); }
    }
    battery[name] = [16].concat(rows);
  }
}

// What the package checks a Set against: an EPC missing here is refused with an SNA.
const acceptable = Object.assign({}, battery);
if (kind === 'refuses') { delete acceptable['da']; }
if (kind === 'refuses-power') { delete acceptable['eb']; }

const say = (record) => process.stdout.write(JSON.stringify(record) + '\n');

const settle = () => {
  const mode = battery['da'][0];
  const value = (name) => battery[name].reduce((sum, byte) => sum * 256 + byte, 0);
  const power = mode === 0x42 ? value('eb') : mode === 0x43 ? -value('ec') : 0;
  battery['d3'] = watts(power);
  battery['cf'] = [mode === 0x46 ? 0x44 : mode];
};

const receive = (rinfo, els, error) => {
  if (error || !els || els.DEOJ !== EOJ) { return; }
  if (els.ESV === EL.GET) {
    EL.replyGetDetail(rinfo, els, { [EOJ]: battery });
  } else if (els.ESV === EL.SETC || els.ESV === EL.SETI) {
    say({ event: 'set', details: els.DETAILs });
    for (const epc of Object.keys(els.DETAILs)) {
      if (acceptable[epc] && settable.includes(epc)) { battery[epc] = EL.toHexArray(els.DETAILs[epc]); }
    }
    settle();
    EL.replySetDetail(rinfo, els, { [EOJ]: acceptable });
  }
};

const main = async () => {
  await EL.initialize([EOJ], receive, 4, { v4: '', autoGetProperties: false });
  say({ event: 'ready' });
};
main();
