// A charge point on the npm package ocpp-rpc, every message checked against the schemas.
// usage: node charger.js PACKAGE_FOLDER URL ID 1.6|2.0.1
// Draws 6 kW or what its profile allows, of its own code. Prints a JSON line when it has booted,
// for every call it gets, and for what becomes of a transaction told twice after a reconnect.
'use strict';
const { RPCClient, createRPCError } = require(process.argv[2]);
const [, , , endpoint, identity, version] = process.argv;
const is16 = version === '1.6';

const tell = (event, fields) => process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');
const client = new RPCClient({
  endpoint, identity, protocols: [is16 ? 'ocpp1.6' : 'ocpp2.0.1'], strictMode: true,
});
const settings = { MeterValueSampleInterval: '30', MeterValuesSampledData: 'Energy.Active.Import.Register' };
const variables = {
  'SampledDataCtrlr.TxUpdatedInterval': '30',
  'SampledDataCtrlr.TxUpdatedMeasurands': 'Energy.Active.Import.Register',
};
let profile = null;
let energyWh = 1000;
let seqNo = 0;
let transactionId = null;

const now = () => new Date().toISOString();
const schedule = () => (is16 ? profile.chargingSchedule : profile.chargingSchedule[0]);
const limitW = (atMs) => {
  if (profile === null) { return 6000; }
  const plan = schedule();
  const begin = Date.parse(plan.startSchedule);
  if (atMs < begin || atMs >= begin + 1000 * plan.duration) { return 6000; }
  const period = plan.chargingSchedulePeriod[0];
  const unitW = plan.chargingRateUnit === 'A' ? 230 * (period.numberPhases || 3) : 1;
  return Math.min(6000, period.limit * unitW);
};
const values = (context) => {
  const powerW = limitW(Date.now());
  energyWh += powerW / 3600;
  const sample = (measurand, value, unit) => (is16
    ? { measurand, value: String(value), unit, context }
    : { measurand, value, unitOfMeasure: { unit }, context });
  return [{
    timestamp: now(),
    sampledValue: [
      sample('Power.Active.Import', powerW, 'W'),
      sample('Energy.Active.Import.Register', Math.round(energyWh), 'Wh'),
    ],
  }];
};
const sendValues = (context) => (is16
  ? client.call('MeterValues', {
    connectorId: 1, meterValue: values(context), ...(transactionId ? { transactionId } : {}),
  })
  : client.call('MeterValues', { evseId: 1, meterValue: values(context) }));
const sendStatus = () => (is16
  ? client.call('StatusNotification', { connectorId: 1, errorCode: 'NoError', status: 'Charging' })
  : client.call('StatusNotification', {
    timestamp: now(), connectorStatus: 'Occupied', evseId: 1, connectorId: 1,
  }));
const boot = () => client.call('BootNotification', is16
  ? { chargePointVendor: 'Independent', chargePointModel: 'ocpp-rpc' }
  : { chargingStation: { vendorName: 'Independent', model: 'ocpp-rpc' }, reason: 'PowerUp' });
const later = (action) => setTimeout(() => action().catch((error) => tell('failed', {
  message: error.message, details: error.details,
})), 10);

client.handle('SetChargingProfile', ({ params }) => {
  profile = is16 ? params.csChargingProfiles : params.chargingProfile;
  tell('profile', { params });
  return { status: 'Accepted' };
});
client.handle('ClearChargingProfile', ({ params }) => {
  const had = profile !== null;
  profile = null;
  tell('cleared', { params, had });
  return { status: had ? 'Accepted' : 'Unknown' };
});
client.handle('GetCompositeSchedule', ({ params }) => {
  const periods = [{ startPeriod: 0, limit: limitW(Date.now()) }];
  const chargingSchedule = { chargingRateUnit: 'W', duration: params.duration, chargingSchedulePeriod: periods };
  tell('composite', { params });
  return is16
    ? { status: 'Accepted', connectorId: params.connectorId, scheduleStart: now(), chargingSchedule }
    : { status: 'Accepted', schedule: { ...chargingSchedule, evseId: params.evseId, scheduleStart: now() } };
});
client.handle('TriggerMessage', ({ params }) => {
  const messages = { StatusNotification: sendStatus, MeterValues: () => sendValues('Trigger') };
  const message = messages[params.requestedMessage];
  if (!message) { return { status: 'NotImplemented' }; }
  later(message);
  return { status: 'Accepted' };
});
client.handle('GetConfiguration', ({ params }) => ({
  configurationKey: params.key.filter((key) => key in settings)
    .map((key) => ({ key, readonly: false, value: settings[key] })),
  unknownKey: params.key.filter((key) => !(key in settings)),
}));
client.handle('ChangeConfiguration', ({ params }) => {
  settings[params.key] = params.value;
  tell('setting', { name: params.key, value: params.value });
  return { status: 'Accepted' };
});
const named = (data) => `${data.component.name}.${data.variable.name}`;
client.handle('GetVariables', ({ params }) => ({
  getVariableResult: params.getVariableData.map((data) => ({
    ...data,
    ...(named(data) in variables
      ? { attributeStatus: 'Accepted', attributeValue: variables[named(data)] }
      : { attributeStatus: 'UnknownVariable' }),
  })),
}));
client.handle('SetVariables', ({ params }) => ({
  setVariableResult: params.setVariableData.map(({ component, variable, attributeValue }) => {
    variables[named({ component, variable })] = attributeValue;
    tell('setting', { name: named({ component, variable }), value: attributeValue });
    return { component, variable, attributeStatus: 'Accepted' };
  }),
}));
client.handle(({ method }) => {
  tell('unknown', { method });
  throw createRPCError('NotImplemented');
});

const event = (eventType, triggerReason, at, offline) => client.call('TransactionEvent', {
  eventType, timestamp: at, triggerReason, seqNo: seqNo++, offline,
  transactionInfo: { transactionId: 'tx-independent', chargingState: 'Charging' },
  evse: { id: 1, connectorId: 1 },
  ...(eventType === 'Started' ? { idToken: { idToken: 'CAR', type: 'Central' } } : {}),
  meterValue: values(eventType === 'Started' ? 'Transaction.Begin' : 'Transaction.End'),
});
const begin = async (at) => {
  if (!is16) { return event('Started', 'CablePluggedIn', at, false); }
  const answer = await client.call('StartTransaction', {
    connectorId: 1, idTag: 'CAR', meterStart: 1000, timestamp: at,
  });
  transactionId = answer.transactionId;
  return answer;
};

(async () => {
  await client.connect();
  const booted = await boot();
  tell('booted', { status: booted.status, interval: booted.interval });
  await sendStatus();
  const startedAt = now();
  const first = await begin(startedAt);
  tell('started', { transactionId: is16 ? first.transactionId : 'tx-independent' });
  const timer = setInterval(() => { later(() => sendValues('Sample.Periodic')); }, 500);
  process.stdin.once('data', async () => {
    // Cut off, and back with what waited: the start once more, and the end twice.
    clearInterval(timer);
    await client.close({ code: 1000, reason: 'cut' });
    await client.connect();
    seqNo = 0;
    const again = await begin(startedAt);
    const endedAt = now();
    for (let copy = 0; copy < 2; copy += 1) {
      if (is16) {
        await client.call('StopTransaction', {
          transactionId, meterStop: 1234, timestamp: endedAt, reason: 'Local',
        });
      } else {
        seqNo = 1;
        await event('Ended', 'StopAuthorized', endedAt, true);
      }
    }
    tell('again', { transactionId: is16 ? again.transactionId : 'tx-independent' });
  });
})().catch((error) => { tell('failed', { message: error.message, details: error.details }); });
