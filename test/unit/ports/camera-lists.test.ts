import t from 'tap';
import { CameraConfig } from '#contracts/camera-config.ts';
import { profileKey } from '#domain/ladder/rungs.ts';
import { modeFor, parseCameraList } from '#ports/camera/rpicam-list.ts';
import { profilesOf, type V4l2Config, v4l2Arguments } from '#ports/camera/v4l2.ts';
import { parseCurrent, parseFormats } from '#ports/camera/v4l2-list.ts';
import { HAWKEYE, IMX708, NO_CAMERA } from '../../fixtures/rpicam-vid/cameras.ts';
import { ENCODING_CAMERA, HDMI_INPUT, HDMI_NOW, USB_CAMERA } from '../../fixtures/v4l2-lists.ts';

t.test('the list of rpicam-vid is read as it is printed', async (t) => {
  const [camera, ...more] = parseCameraList(IMX708);
  t.match(camera, { number: 0, model: 'imx708' });
  t.same(more, []);
  t.same(camera?.modes[0], {
    width: 1536,
    height: 864,
    fps: 120.13,
    cropArea: 3072 * 1728,
    option: '1536:864:10:P',
  });
  t.equal(camera?.modes.length, 3);
  t.equal(parseCameraList(HAWKEYE)[0]?.modes.length, 6);
  t.same(parseCameraList(NO_CAMERA), []);
  const two = `${IMX708}1 : imx219 [3280x2464 10-bit RGGB] (/base/b)\n    Modes: 'SRGGB10_CSI2P' : 640x480 [206.65 fps - (1000, 752)/1280x960 crop]\n           'SRGGB8' : 640x480 [nan fps - (1000, 752)/1280x960 crop]\n`;
  t.same(
    parseCameraList(two).map(({ number, model, modes }) => [number, model, modes.length]),
    [
      [0, 'imx708', 3],
      [1, 'imx219', 1],
    ],
    'a mode without a rate is none',
  );
});

t.test('the mode that is read keeps the view of the whole sensor', async (t) => {
  const modes = parseCameraList(IMX708)[0]?.modes ?? [];
  t.equal(
    modeFor(modes, { width: 1280, height: 720, fps: 30 })?.option,
    '2304:1296:10:P',
    'not the faster crop',
  );
  t.equal(
    modeFor(modes, { width: 1280, height: 720, fps: 100 })?.option,
    '1536:864:10:P',
    'unless only it is fast enough',
  );
  t.equal(modeFor(modes, { width: 3840, height: 2160, fps: 14 })?.option, '4608:2592:10:P');
  t.equal(modeFor(modes, { width: 3840, height: 2160, fps: 30 }), undefined);
});

const config = (over: object = {}): V4l2Config => {
  const parsed = CameraConfig.parse({ source: 'v4l2', ...over });
  if (parsed.source !== 'v4l2') throw new Error('another source');
  return parsed;
};
const keys = (text: string, over: object = {}): string[] =>
  profilesOf(config(over), parseFormats(text)).map(profileKey);

t.test('what a USB camera offers becomes profiles', async (t) => {
  t.equal(keys(USB_CAMERA)[0], 'x265-ultrafast 1920x1080@30');
  t.equal(keys(ENCODING_CAMERA)[0], 'copy 1920x1080@30', 'what it encodes is taken');
  t.equal(
    keys(ENCODING_CAMERA, { encoder: 'x264-superfast' })[0],
    'x264-superfast 1920x1080@30',
    'unless a rung is named',
  );
  t.equal(keys(USB_CAMERA, { codec: 'mjpeg' })[0], 'copy 1920x1080@30');
  t.equal(keys(USB_CAMERA, { width: 640, height: 480, codec: 'h264' })[0], 'x264-superfast 640x480@30');
  t.same(keys(HDMI_INPUT), [], 'a range is no mode');
  const now = parseCurrent(HDMI_NOW);
  t.same(now, { width: 1280, height: 720, fps: 30, fourcc: 'YUYV' }, 'what is set now is one');
  t.equal(parseCurrent('Format Video Capture:\n'), undefined);
});

t.test('ffmpeg is told the format that serves the profile best', async (t) => {
  const modes = parseFormats(ENCODING_CAMERA);
  const told = (key: string, over: object = {}): string => {
    const profile = profilesOf(config(over), modes).find((one) => profileKey(one) === key);
    if (!profile) throw new Error(`no profile ${key} in ${profilesOf(config(over), modes).map(profileKey)}`);
    return v4l2Arguments('/dev/video0', modes, profile).join(' ');
  };
  t.match(told('copy 1920x1080@30'), /-input_format h264 -video_size 1920x1080 -framerate 30 .*-c:v copy/);
  t.match(
    told('x264-superfast 1920x1080@30', { codec: 'h264' }),
    /-input_format mjpeg .*libx264 .*-f mpegts/,
    'raw is too slow',
  );
  t.match(
    told('x264-superfast 640x480@30', { codec: 'h264', width: 640, height: 480 }),
    /-input_format yuyv422 /,
  );
  t.match(told('copy 1920x1080@30', { codec: 'mjpeg' }), /-input_format mjpeg .*-c:v copy .*-f nut/);
});
