import type { RigView } from '#contracts/http-node.ts';
import { type NodeStatus, SyncState } from '#contracts/states.ts';
import { recorderState } from '../../fixtures/recorder-state.ts';

/** Examples of what a rig says, for tests of the dashboard. */

export const SAMPLE_AT = '2024-03-15T14:00:00.000000Z';

type RigNode = RigView['nodes'][number];

/** An idle camera with nothing wrong. */
export function node(camera_id: string, change: Partial<NodeStatus> = {}, available = true): RigNode {
  const status: NodeStatus = {
    v: 1,
    rig: 'demo',
    camera_id,
    position: 'center',
    software_version: '0.1.0',
    boot_id: 'boot',
    at: SAMPLE_AT,
    uptime_sec: 1,
    level: 'ok',
    warnings: [],
    services: {},
    recorder: recorderState(),
    health: null,
    network: null,
    signals: null,
    updater: null,
    sync: null,
    offload: [],
    ...change,
  };
  return { camera_id, position: 'center', available, status };
}

/** A follower whose clock was measured. */
export function syncState(change: object = {}, clock: Partial<SyncState['clock']> = {}): SyncState {
  return SyncState.parse({
    v: 1,
    online: true,
    run_id: 'run',
    at: SAMPLE_AT,
    role: 'follower',
    master: 'CAM_C',
    boot_id: 'boot',
    clock: {
      source: 'exchange',
      offset_ms: -0.12,
      bound_ms: 0.34,
      ci95_ms: 0.05,
      confidence: 0.98,
      stratum: 9,
      last_sync: SAMPLE_AT,
      ...clock,
    },
    local_time: SAMPLE_AT,
    master_time: SAMPLE_AT,
    ...change,
  });
}
