import type { CameraConfig } from '#contracts/node-config.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Camera } from './camera.ts';
import { fileCamera } from './file.ts';
import { testPattern } from './test-pattern.ts';

/** The camera that the configuration names; there is no other way to get a simulated one. */
export function configuredCamera(config: CameraConfig, clock: Clock): Camera {
  switch (config.source) {
    case 'test-pattern':
      return testPattern({
        width: config.width,
        height: config.height,
        fps: config.fps,
        bitrateMbps: config.bitrate_mbps,
        hueDeg: config.hue_deg,
        clock,
      });
    case 'file':
      return fileCamera({ path: config.path, bitrateMbps: config.bitrate_mbps, clock });
  }
}
