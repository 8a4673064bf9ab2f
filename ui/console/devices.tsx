import type { Device } from '#contracts/http-central.ts';
import { Facts } from '../components/facts.tsx';
import { Empty } from '../components/notice.tsx';
import { Pill } from '../components/pill.tsx';
import { useNow } from '../live/events.ts';
import { count, dateText } from '../live/format.ts';
import { deviceKey } from './central-data.ts';
import { agoText, byRig, summarizeDevice } from './device-words.ts';
import { Screen } from './screen.tsx';
import { useCentralContext } from './use-central.ts';

/** The cameras of all rigs, as they were last heard here. */
export function Devices() {
  const { data } = useCentralContext();
  const rigs = byRig([...data.devices.values()]);
  const here = [...data.devices.values()].filter(({ available }) => available).length;
  return (
    <Screen
      title="Devices"
      summary={data.devices.size > 0 ? `${here} of ${count(data.devices.size, 'camera')} in reach` : ''}
      loading={<p role="status">Loading the devices</p>}
    >
      {rigs.length === 0 ? (
        <Empty title="No camera has been heard">
          <p>
            Cameras appear here when their broker has a link to this server: <code>broker.central</code> in
            the configuration of the node. They record and send files without it, too.
          </p>
        </Empty>
      ) : (
        rigs.map(([rig, devices]) => (
          <section key={rig} class="section" aria-label={`Rig ${rig}`}>
            <h2>Rig {rig}</h2>
            <ul class="devices">
              {devices.map((device) => (
                <DeviceCard key={deviceKey(device)} device={device} />
              ))}
            </ul>
          </section>
        ))
      )}
    </Screen>
  );
}

function DeviceCard({ device }: { device: Device }) {
  const { tone, word, warnings, facts } = summarizeDevice(device);
  // Seconds go by without a message, too.
  useNow(1000);
  const ago = agoText((Date.now() - Date.parse(device.seen_at)) / 1000);
  return (
    <li class="panel device" data-available={device.available} data-testid="device">
      <div class="device-head">
        <h3>{device.camera_id}</h3>
        <Pill tone={tone} text={word} />
      </div>
      <Facts facts={[...facts, ['Last heard', ago ?? dateText(device.seen_at)]]} />
      {warnings.length === 0 ? null : (
        <ul class="notes">
          {warnings.map((warning) => (
            <li key={warning}>{warning}</li>
          ))}
        </ul>
      )}
    </li>
  );
}
