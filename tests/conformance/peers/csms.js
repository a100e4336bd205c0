// A central system on the npm package ocpp-rpc, every message checked against the schemas.
// usage: node csms.js PACKAGE_FOLDER ADDRESS PORT 1.6|2.0.1
// Accepts one charger, asks it for everything ours asks for, and prints what it answers.
'use strict';
const { RPCServer } = require(process.argv[2]);
const [, , , address, port, version] = process.argv;
const is16 = version === '1.6';
const tell = (event, fields) => process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');
const accepted = { status: 'Accepted' };
const start = new Date(Date.now() - 5000).toISOString();

const period = { startPeriod: 0, limit: is16 ? 2500 : 7, numberPhases: is16 ? 1 : 3 };
const schedule = {
  duration: 30, startSchedule: start, chargingRateUnit: is16 ? 'W' : 'A', chargingSchedulePeriod: [period],
};
const questions = is16 ? [
  ['GetConfiguration', { key: ['MeterValueSampleInterval', 'Nonsense'] }],
  ['ChangeConfiguration', { key: 'MeterValueSampleInterval', value: '1' }],
  ['TriggerMessage', { requestedMessage: 'MeterValues' }],
  ['TriggerMessage', { requestedMessage: 'StatusNotification', connectorId: 1 }],
  ['SetChargingProfile', {
    connectorId: 0,
    csChargingProfiles: {
      chargingProfileId: 5, stackLevel: 1, chargingProfilePurpose: 'ChargePointMaxProfile',
      chargingProfileKind: 'Absolute', chargingSchedule: schedule,
    },
  }],
  ['GetCompositeSchedule', { connectorId: 0, duration: 60, chargingRateUnit: 'W' }],
  ['ClearChargingProfile', { id: 5 }],
  ['ClearChargingProfile', { id: 5 }],
] : [
  ['GetVariables', {
    getVariableData: [{ component: { name: 'SampledDataCtrlr' }, variable: { name: 'TxUpdatedInterval' } }],
  }],
  ['SetVariables', {
    setVariableData: [{
      attributeValue: '1', component: { name: 'SampledDataCtrlr' }, variable: { name: 'TxUpdatedInterval' },
    }],
  }],
  ['TriggerMessage', { requestedMessage: 'MeterValues' }],
  ['TriggerMessage', { requestedMessage: 'StatusNotification', evse: { id: 1 } }],
  ['SetChargingProfile', {
    evseId: 0,
    chargingProfile: {
      id: 5, stackLevel: 1, chargingProfilePurpose: 'ChargingStationMaxProfile',
      chargingProfileKind: 'Absolute', chargingSchedule: [{ id: 1, ...schedule }],
    },
  }],
  ['GetCompositeSchedule', { evseId: 0, duration: 60, chargingRateUnit: 'A' }],
  ['ClearChargingProfile', { chargingProfileId: 5 }],
  ['ClearChargingProfile', { chargingProfileId: 5 }],
];

const server = new RPCServer({ protocols: [is16 ? 'ocpp1.6' : 'ocpp2.0.1'], strictMode: true });
server.auth((accept) => accept());
server.on('client', (client) => {
  tell('connected', { identity: client.identity });
  client.on('strictValidationFailure', ({ error }) => tell('broken', { message: error.message, details: error.details }));
  client.on('badMessage', ({ error }) => tell('broken', { message: String(error) }));
  const answer = (method, make) => client.handle(method, ({ params }) => {
    tell('call', { method, params });
    return make(params);
  });
  answer('BootNotification', () => ({ ...accepted, currentTime: new Date().toISOString(), interval: 1 }));
  answer('Heartbeat', () => ({ currentTime: new Date().toISOString() }));
  answer('StatusNotification', () => ({}));
  answer('MeterValues', () => ({}));
  answer('StartTransaction', () => ({ transactionId: 7, idTagInfo: accepted }));
  answer('StopTransaction', () => ({}));
  answer('TransactionEvent', () => ({}));
  setTimeout(async () => {
    for (const [method, params] of questions) {
      try {
        tell('answer', { method, result: await client.call(method, params) });
      } catch (error) { tell('broken', { method, message: error.message, details: error.details }); }
    }
    tell('asked', {});
  }, 500);
});
server.listen(Number(port), address).then(() => tell('ready', {}));
