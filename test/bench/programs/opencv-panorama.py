"""The panorama by OpenCV: cv2.remap with bilinear sampling by the same maps, levels matched, seams blended, piped to ffmpeg."""
import json
import subprocess
import sys

import cv2
import numpy

job = json.load(open(sys.argv[1]))


def plane(path):
    return cv2.imread(path, cv2.IMREAD_UNCHANGED).astype(numpy.float32)


views = []
for view in job["views"]:
    files = view["files"]
    x = plane(files["x"]) + plane(files["rightShare"]) / 255
    y = plane(files["y"]) + plane(files["lowerShare"]) / 255
    fixed = cv2.convertMaps(x, y, cv2.CV_16SC2)
    levels = numpy.clip(numpy.arange(256) * view["gain"], 0, 255).astype(numpy.uint8)
    views.append((cv2.VideoCapture(view["film"]), fixed, levels, view["from"], view["to"]))

seams = []
for seam in job["seams"]:
    share = plane(seam["file"])[:, :, None] / 255
    seams.append((seam["from"], seam["to"], share))

encoder = subprocess.Popen(
    ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-r", "30"]
    + ["-s", f"{job['width']}x{job['height']}", "-i", "-"]
    + job["encoder"]
    + [job["output"]],
    stdin=subprocess.PIPE,
)
picture = numpy.empty((job["height"], job["width"], 3), numpy.uint8)
for _ in range(job["frames"]):
    for index, (film, maps, levels, begin, end) in enumerate(views):
        ok, frame = film.read()
        if not ok:
            sys.exit("a film is too short")
        warped = cv2.LUT(cv2.remap(frame, *maps, cv2.INTER_LINEAR), levels)
        if index > 0:
            left, right, share = seams[index - 1]
            width = right - left
            under = picture[:, left:right].astype(numpy.float32)
            over = warped[:, :width].astype(numpy.float32)
            blend = (under + (over - under) * share).astype(numpy.uint8)
            picture[:, begin:end] = warped
            picture[:, left:right] = blend
        else:
            picture[:, begin:end] = warped
    encoder.stdin.write(picture.data)
encoder.stdin.close()
sys.exit(encoder.wait())
