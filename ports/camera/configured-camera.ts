import type { CameraConfig } from '#contracts/camera-config.ts';
import type { Position } from '#contracts/ids.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Camera } from './camera.ts';
import { fileCamera } from './file.ts';
import { rpicam } from './rpicam.ts';
import { rtsp } from './rtsp.ts';
import { type PitchView, testPattern } from './test-pattern.ts';
import { v4l2 } from './v4l2.ts';

type TestPatternConfig = Extract<CameraConfig, { source: 'test-pattern' }>;

/** By how much the views of neighbours overlap, when nothing else is said. */
const OVERLAP_DEG = 12;

/** The camera that the configuration names; there is no other way to get a simulated one. */
export function configuredCamera(
  { camera: config, position }: { camera: CameraConfig; position: Position },
  clock: Clock,
): Camera {
  switch (config.source) {
    case 'test-pattern':
      return testPattern({
        width: config.width,
        height: config.height,
        fps: config.fps,
        bitrateMbps: config.bitrate_mbps,
        hueDeg: config.hue_deg,
        ...(config.scene === 'pitch' ? { pitch: pitchView(config, position) } : {}),
        clock,
      });
    case 'file':
      return fileCamera({ path: config.path, bitrateMbps: config.bitrate_mbps, clock });
    case 'rpicam':
      return rpicam(config, clock);
    case 'v4l2':
      return v4l2(config, clock);
    case 'rtsp':
      return rtsp(config, clock);
  }
}

function pitchView({ view, exposure }: TestPatternConfig, position: Position): PitchView {
  const turns = { left: -1, center: 0, right: 1 }[position];
  return {
    hfovDeg: view.hfov_deg,
    yawDeg: view.yaw_deg ?? turns * (view.hfov_deg - OVERLAP_DEG),
    pitchDeg: view.pitch_deg,
    rollDeg: view.roll_deg,
    exposure,
  };
}
