import type { RectilinearCamera } from '../camera-geometry/rectilinear.ts';
import { playerDrawer } from './draw-players.ts';
import type { Exposure } from './exposure.ts';
import { type Area, blankPicture, copyArea, type Picture } from './picture.ts';

/** A pitch with a match on it: what never changes is drawn once, what moves is drawn anew for each instant. */
export interface Scene {
  /** The picture of an instant (microseconds since 1970). It is the same object each time: the next call draws over it. */
  pictureAt(wallUs: number): Picture;
}

/** `background` is the empty pitch as `renderPitch` draws it for this camera and exposure. */
export function matchScene(
  camera: RectilinearCamera,
  background: Picture,
  exposure: Partial<Exposure> = {},
): Scene {
  const picture = blankPicture(camera.width, camera.height);
  picture.samples.set(background.samples);
  const drawer = playerDrawer(camera, exposure);
  let drawn: Area[] = [];
  return {
    pictureAt(wallUs) {
      for (const area of drawn) copyArea(background, picture, area);
      drawn = drawer.draw(picture, wallUs);
      return picture;
    },
  };
}
