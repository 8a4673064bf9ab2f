/** A small picture in which the clock can be read, and which costs a guest little. */
export const SMALL_PICTURE = { width: 1280, height: 144, fps: 10, bitrate_mbps: 1 } as const;

/** Configuration of a camera node that is a rig by itself, with its folders as the jobs mount them. `sections` come on top, each as a whole. */
export function loneNode(sections: Readonly<Record<string, unknown>>): object {
  return {
    version: 1,
    rig: 'lab',
    camera_id: 'CAM_C',
    position: 'center',
    cameras: ['CAM_C'],
    sync: { master: 'CAM_C' },
    storage: { path: '/mnt/recordings' },
    state_dir: '/mnt/state/touchline',
    runtime_dir: '/run/touchline',
    camera: { source: 'test-pattern', ...SMALL_PICTURE },
    recording: { expected_duration_min: 1 },
    log_level: 'info',
    ...sections,
  };
}
