"""The shop's product pictures, drawn here so that nothing has to be downloaded and nobody's photographs are used.

``draw("teapot")`` returns a JPEG as bytes. Coordinates run from 0 to 100, the origin is the upper left corner.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw, ImageFilter

SIZE = 800
#: Drawn twice as large and scaled down, because Pillow draws without smoothing edges.
OVERSAMPLED = SIZE * 2

CREAM, OAT, BLUSH = "#f6efe4", "#e6d7bd", "#ecd3c5"
SAGE, MOSS, FERN = "#9db39a", "#5f7f63", "#2f4a3e"
CLAY, RUST = "#c8694a", "#9c4a32"
SLATE, INK = "#66757f", "#2a3330"
BRASS, HONEY = "#b98e3e", "#e0b45c"
SKY, WHITE = "#cfdde0", "#fffdf8"

Point = tuple[float, float]


class Canvas:
    """A picture with a floor, a wall and a light from the left."""

    def __init__(self, wall: str, floor: str) -> None:
        self.image = Image.new("RGB", (OVERSAMPLED, OVERSAMPLED), wall)
        self._draw = ImageDraw.Draw(self.image)
        self.disc(50, 46, 37, _mix(wall, WHITE, 0.45))
        self._draw.rectangle([0, self._(76), OVERSAMPLED, OVERSAMPLED], fill=floor)

    def shadow(self, x: float, y: float, width: float, height: float = 3.2, strength: float = 0.32) -> None:
        mask = Image.new("L", self.image.size, 0)
        box = [self._(x - width), self._(y - height), self._(x + width), self._(y + height)]
        ImageDraw.Draw(mask).ellipse(box, fill=int(255 * strength))
        mask = mask.filter(ImageFilter.GaussianBlur(self._(1.2)))
        self.image.paste(Image.new("RGB", self.image.size, INK), (0, 0), mask)

    def disc(self, x: float, y: float, radius: float, fill: str) -> None:
        self.oval(x, y, radius, radius, fill)

    def oval(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        self._draw.ellipse([self._(x - width), self._(y - height), self._(x + width), self._(y + height)], fill=fill)

    def ring(self, x: float, y: float, width: float, height: float, line: float, fill: str) -> None:
        box = [self._(x - width), self._(y - height), self._(x + width), self._(y + height)]
        self._draw.ellipse(box, outline=fill, width=self._(line))

    def arc(self, x: float, y: float, r: float, start: float, end: float, line: float, fill: str) -> None:
        box = [self._(x - r), self._(y - r), self._(x + r), self._(y + r)]
        self._draw.arc(box, start, end, fill=fill, width=self._(line))

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: str, corner: float = 0) -> None:
        self._draw.rounded_rectangle([self._(x0), self._(y0), self._(x1), self._(y1)], self._(corner), fill=fill)

    def shape(self, points: Sequence[Point], fill: str) -> None:
        self._draw.polygon([(self._(x), self._(y)) for x, y in points], fill=fill)

    def stroke(self, points: Sequence[Point], line: float, fill: str) -> None:
        self._draw.line([(self._(x), self._(y)) for x, y in points], fill=fill, width=self._(line), joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, line / 2, fill)

    def turned(self, outline: Sequence[Point], x: float, fill: str, light: str | None = None, dark: str | None = None):
        """Draw something that came off a potter's wheel: ``outline`` is (distance from the axis, height) pairs."""
        smooth = _smooth(outline)
        self.shape([(x - r, y) for r, y in smooth] + [(x + r, y) for r, y in reversed(smooth)], fill)
        if dark:  # the side away from the light
            self.shape([(x + r * 0.45, y) for r, y in smooth] + [(x + r, y) for r, y in reversed(smooth)], dark)
        if light:
            inner = smooth[len(smooth) // 8 : -len(smooth) // 6]
            self.shape([(x - r * 0.78, y) for r, y in inner] + [(x - r * 0.6, y) for r, y in reversed(inner)], light)

    def leaf(self, root: Point, tip: Point, width: float, fill: str, vein: str | None = None) -> None:
        (x0, y0), (x1, y1) = root, tip
        length = math.hypot(x1 - x0, y1 - y0) or 1
        across = (-(y1 - y0) / length * width, (x1 - x0) / length * width)
        steps = [i / 16 for i in range(17)]
        left = [(x0 + (x1 - x0) * t + across[0] * _bulge(t), y0 + (y1 - y0) * t + across[1] * _bulge(t)) for t in steps]
        right = [
            (x0 + (x1 - x0) * t - across[0] * _bulge(t), y0 + (y1 - y0) * t - across[1] * _bulge(t)) for t in steps
        ]
        self.shape(left + right[::-1], fill)
        if vein:
            self.stroke([root, tip], 0.35, vein)

    def jpeg(self) -> bytes:
        out = io.BytesIO()
        self.image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(out, "JPEG", quality=88, optimize=True)
        return out.getvalue()

    @staticmethod
    def _(length: float) -> int:
        return round(length * OVERSAMPLED / 100)


def _bulge(t: float) -> float:
    return math.sin(math.pi * t) ** 0.8


def _mix(one: str, other: str, share: float) -> str:
    a, b = (tuple(int(color[i : i + 2], 16) for i in (1, 3, 5)) for color in (one, other))
    return "#" + "".join(f"{round(p + (q - p) * share):02x}" for p, q in zip(a, b, strict=True))


def _smooth(points: Sequence[Point], steps: int = 10) -> list[Point]:
    """Return a curve through the points (Catmull-Rom)."""
    padded = [points[0], *points, points[-1]]
    curve: list[Point] = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(steps):
            t = step / steps
            curve.append(tuple(_catmull_rom(a, b, c, d, t) for a, b, c, d in zip(p0, p1, p2, p3, strict=True)))
    return [*curve, points[-1]]


def _catmull_rom(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def _steam(canvas: Canvas, x: float, y: float, wall: str) -> None:
    for offset in (-4, 0, 4):
        wave = [(x + offset + math.sin(i / 3) * 1.5, y - i * 0.9) for i in range(16)]
        canvas.stroke(wave, 0.8, _mix(wall, WHITE, 0.8))


# --- the pictures ----------------------------------------------------------------------------------------------------


def teapot() -> Canvas:
    c = Canvas(BLUSH, OAT)
    c.shadow(50, 80, 30)
    c.stroke(_smooth([(70, 56), (79, 52), (82, 44), (88, 38)]), 6, MOSS)  # spout
    c.ring(26, 55, 11, 12, 3.4, MOSS)  # handle
    c.turned([(10, 38), (18, 42), (24, 54), (22, 68), (14, 79), (12, 80)], 50, MOSS, _mix(MOSS, WHITE, 0.35), FERN)
    c.oval(50, 39, 12, 3, FERN)
    c.turned([(3, 31), (11, 35), (12, 39)], 50, _mix(MOSS, WHITE, 0.12))
    c.disc(50, 30, 3, CLAY)
    return c


def _mug(glaze: str, shade: str, wall: str) -> Canvas:
    c = Canvas(wall, _mix(wall, OAT, 0.6))
    c.shadow(51, 79, 25)
    c.ring(69, 58, 10, 11, 3.6, shade)
    c.turned([(19, 40), (19.5, 55), (19, 70), (15, 79)], 48, glaze, _mix(glaze, WHITE, 0.45), shade)
    c.turned([(18.9, 66), (18.8, 70), (15, 79)], 48, _mix(OAT, CLAY, 0.25))  # the raw clay of the foot
    c.oval(48, 40, 19, 4.4, shade)
    c.oval(48, 41, 16.5, 3.3, "#6d4a2f")
    _steam(c, 48, 35, wall)
    return c


def mug_oat() -> Canvas:
    return _mug(CREAM, "#d9c7a7", SKY)


def mug_slate() -> Canvas:
    return _mug(SLATE, "#4c5a63", BLUSH)


def mug_clay() -> Canvas:
    return _mug(CLAY, RUST, "#dfe5d8")


def dripper() -> Canvas:
    c = Canvas(SKY, OAT)
    c.shadow(50, 81, 26)
    c.turned([(6, 48), (8, 54), (19, 66), (21, 74), (18, 81)], 50, _mix(SKY, WHITE, 0.6))  # glass
    c.turned([(17, 65), (20.5, 74), (17.6, 80)], 50, "#6d4a2f", None, "#553722")
    c.ring(72, 66, 7, 9, 2, _mix(SKY, SLATE, 0.4))
    c.box(36, 46, 64, 50, BRASS, 1.5)
    c.turned([(21, 26), (15, 38), (6, 47)], 50, CREAM, WHITE, OAT)
    c.oval(50, 26, 21, 4, OAT)
    c.oval(50, 26.6, 18, 3, "#7a5436")
    _steam(c, 50, 22, SKY)
    return c


def tea_tin() -> Canvas:
    c = Canvas("#dfe5d8", OAT)
    c.shadow(50, 81, 24)
    c.box(30, 32, 70, 81, FERN, 2)
    c.box(58, 32, 70, 81, _mix(FERN, INK, 0.35), 2)
    c.box(29, 25, 71, 35, BRASS, 1.5)
    c.box(60, 25, 71, 35, _mix(BRASS, INK, 0.25), 1.5)
    c.oval(50, 25, 21, 2.6, HONEY)
    c.box(36, 43, 64, 71, CREAM, 1.5)
    c.leaf((50, 67), (43, 49), 4, MOSS, CREAM)
    c.leaf((50, 67), (57, 49), 4, SAGE, CREAM)
    c.leaf((50, 66), (50, 45.5), 3.2, FERN, CREAM)
    return c


def tasting_box() -> Canvas:
    c = Canvas(CREAM, _mix(OAT, CLAY, 0.15))
    c.shadow(50, 82, 36)
    c.box(16, 42, 84, 82, "#a77b4f", 1.5)
    c.box(19, 45, 81, 79, "#6b4a2e", 1)
    tones = [MOSS, CLAY, HONEY, SLATE, SAGE, RUST, FERN, BRASS, BLUSH, SKY, "#7a5436", OAT]
    for index, tone in enumerate(tones):
        x, y = 27 + (index % 6) * 9.2, 54 + (index // 6) * 16
        c.disc(x, y, 4.2, _mix(tone, INK, 0.3))
        c.disc(x, y - 0.8, 3.9, tone)
        c.disc(x - 0.8, y - 1.6, 1.6, _mix(tone, WHITE, 0.35))
    c.shape([(16, 42), (24, 18), (90, 18), (84, 42)], "#c29a6b")
    c.shape([(21, 40), (27.5, 20.5), (86, 20.5), (81, 40)], CREAM)
    c.leaf((54, 37), (48, 24), 3.4, MOSS, CREAM)
    c.leaf((54, 37), (62, 24), 3.4, SAGE, CREAM)
    return c


def notebook() -> Canvas:
    c = Canvas("#dfe5d8", CREAM)
    c.shadow(52, 81, 28)
    c.box(33, 22, 74, 80, _mix(OAT, WHITE, 0.5), 1)
    for line in range(5):
        c.box(72.6, 24 + line * 11, 73.4, 33 + line * 11, OAT)
    c.box(29, 20, 70, 79, CLAY, 2)
    c.box(29, 20, 36, 79, RUST, 2)
    c.box(63, 20, 65, 79, INK)
    c.box(41, 30, 58, 40, CREAM, 1)
    c.box(44, 33, 55, 34, RUST)
    c.box(44, 36, 52, 37, RUST)
    c.shape([(48, 79), (52, 79), (52, 90), (50, 87.5), (48, 90)], HONEY)
    return c


def fountain_pen() -> Canvas:
    c = Canvas(SKY, CREAM)
    c.shadow(50, 74, 34, 2.6)

    def along(t: float, width: float) -> list[Point]:
        """Return the two edge points at ``t`` along the pen, which lies from lower left to upper right."""
        x, y = 20 + 60 * t, 72 - 40 * t
        nx, ny = 40 / 72.1, 60 / 72.1
        return [(x - nx * width, y - ny * width), (x + nx * width, y + ny * width)]

    def part(start: float, end: float, w0: float, w1: float, fill: str) -> None:
        (a, b), (d, e) = along(start, w0), along(end, w1)
        c.shape([a, d, e, b], fill)

    part(0.0, 0.13, 0.2, 3, HONEY)
    part(0.05, 0.13, 0.3, 0.4, INK)
    part(0.13, 0.27, 3.2, 3.8, INK)
    part(0.27, 0.3, 4.2, 4.2, HONEY)
    part(0.3, 0.94, 4.3, 3.9, BRASS)
    part(0.34, 0.92, 2.2, 2.0, _mix(BRASS, WHITE, 0.35))
    part(0.37, 0.92, 0.8, 0.8, BRASS)
    part(0.94, 1.0, 3.9, 2, _mix(BRASS, INK, 0.3))
    c.stroke(_smooth([(6, 77), (12, 80), (16, 76), (20, 72.2)]), 0.7, INK)
    return c


def pencils() -> Canvas:
    c = Canvas(BLUSH, OAT)
    c.shadow(50, 82, 26)
    tones = [CLAY, MOSS, HONEY, SLATE, RUST, FERN]
    for index, tone in enumerate(tones):
        x, top = 33 + index * 6.8, 24 + (index * 5) % 9
        c.box(x - 2.9, top + 8, x + 2.9, 74, tone)
        c.box(x + 1, top + 8, x + 2.9, 74, _mix(tone, INK, 0.25))
        c.shape([(x - 2.9, top + 8), (x, top), (x + 2.9, top + 8)], "#e3c39b")
        c.shape([(x - 1.1, top + 3), (x, top), (x + 1.1, top + 3)], tone)
    c.box(26, 52, 74, 82, CREAM, 2)
    c.box(26, 52, 74, 58, FERN, 1)
    c.leaf((50, 78), (44, 63), 3.4, MOSS, CREAM)
    c.leaf((50, 78), (56, 63), 3.4, SAGE, CREAM)
    return c


def desk_lamp() -> Canvas:
    c = Canvas("#e9dfce", "#c9a77c")
    light = Image.new("L", c.image.size, 0)
    glow = [(c._(x), c._(y)) for x, y in [(27, 42), (51, 42), (64, 80), (8, 80)]]
    ImageDraw.Draw(light).polygon(glow, fill=110)
    light = light.filter(ImageFilter.GaussianBlur(c._(2)))
    c.image.paste(Image.new("RGB", c.image.size, "#fff0bf"), (0, 0), light)
    c.shadow(66, 81, 16)
    c.turned([(3, 76), (13, 78), (14, 81)], 66, FERN, None, INK)
    c.stroke([(66, 77), (74, 51), (46, 29)], 2.2, BRASS)
    c.disc(74, 51, 2.6, FERN)
    c.shape([(37, 25), (46, 23), (53, 42), (24, 42)], FERN)
    c.shape([(44, 23.4), (46, 23), (53, 42), (46, 42)], INK)
    c.oval(38.5, 42, 14.5, 2.6, HONEY)
    c.disc(38.5, 43, 3.2, WHITE)
    return c


def candle() -> Canvas:
    c = Canvas("#d8d0c4", _mix(OAT, CLAY, 0.25))
    halo = Image.new("L", c.image.size, 0)
    ImageDraw.Draw(halo).ellipse([c._(36), c._(10), c._(64), c._(42)], fill=150)
    halo = halo.filter(ImageFilter.GaussianBlur(c._(5)))
    c.image.paste(Image.new("RGB", c.image.size, "#fff3cf"), (0, 0), halo)
    c.shadow(50, 81, 24)
    c.oval(50, 78, 25, 4.6, BRASS)
    c.oval(50, 77, 23, 3.8, HONEY)
    c.turned([(12, 40), (12.4, 60), (12, 77)], 50, "#edd08a", "#f7e6b8", "#d9b45f")
    c.oval(50, 40, 12, 2.8, "#f7e6b8")
    c.stroke([(50, 40), (50, 35)], 0.8, INK)
    c.leaf((50, 37), (50, 20), 3.8, "#f0a23a")
    c.leaf((50, 36.5), (50, 26), 2, "#fff3cf")
    return c


def fern() -> Canvas:
    c = Canvas("#e4ebe0", OAT)
    c.shadow(50, 83, 22)
    for angle in (-62, -40, -20, 4, 24, 44, 66):
        length = 36 - abs(angle) * 0.12
        spine = []
        for i in range(12):
            t = i / 11
            bend = math.radians(angle * (0.35 + 0.75 * t))
            spine.append((50 + math.sin(bend) * length * t, 57 - math.cos(bend) * length * t))
        c.stroke(spine, 0.7, FERN)
        for i, (x, y) in enumerate(spine[2:], start=2):
            reach, lean = 6.4 * (1 - i / 14), math.radians(angle)
            for side in (-1, 1):
                tip = (x + side * math.cos(lean) * reach, y + side * math.sin(lean) * reach - reach * 0.5)
                c.leaf((x, y), tip, 1.5, MOSS if side < 0 else SAGE)
    c.turned([(15, 58), (14, 68), (11, 83)], 50, CLAY, _mix(CLAY, WHITE, 0.25), RUST)
    c.box(33, 55, 67, 62, CLAY, 1.2)
    c.box(57, 55, 67, 62, RUST, 1.2)
    return c


def clock() -> Canvas:
    c = Canvas("#e9dfce", "#d9c7a7")
    c.shadow(53, 49, 33, 33, 0.14)
    c.disc(50, 46, 32, "#a77b4f")
    c.disc(50, 46, 29.5, WHITE)
    for hour in range(12):
        turn = math.radians(hour * 30)
        inner = 23 if hour % 3 == 0 else 25
        ends = [(50 + math.sin(turn) * r, 46 - math.cos(turn) * r) for r in (inner, 27)]
        c.stroke(ends, 1.2 if hour % 3 == 0 else 0.7, INK)
    c.stroke([(50, 46), (62, 38)], 1.7, FERN)  # a quarter past two, more or less
    c.stroke([(50, 46), (71, 46.5)], 1.2, FERN)
    c.stroke([(46, 55), (54, 37)], 0.5, CLAY)
    c.disc(50, 46, 1.7, CLAY)
    return c


def throw() -> Canvas:
    c = Canvas("#e4ebe0", "#c9a77c")
    c.shadow(50, 82, 36)
    tones = [_mix(CLAY, WHITE, 0.15), CREAM, SAGE]
    for layer, (y, tone) in enumerate(zip((66, 51, 36), tones, strict=True)):
        x0, x1 = 16 + layer * 1.5, 84 - layer * 1.5
        c.box(x0, y, x1, y + 16, _mix(tone, INK, 0.12), 7)
        c.box(x0, y, x1, y + 14, tone, 7)
        for stripe in range(1, 6):
            x = x0 + stripe * (x1 - x0) / 6
            c.box(x - 1.4, y + 0.2, x + 1.4, y + 13.8, _mix(tone, FERN, 0.28))
        c.box(x0 + 3, y + 6.4, x1 - 3, y + 7.6, _mix(tone, WHITE, 0.4))
    for x in range(22, 80, 3):
        c.stroke([(x, 80), (x + (x % 2) - 0.5, 86)], 0.7, _mix(CLAY, WHITE, 0.15))
    return c


def kettle() -> Canvas:
    c = Canvas(SKY, "#b9c4a8")
    c.shadow(50, 82, 28)
    c.stroke(_smooth([(31, 47), (32, 31), (50, 21), (68, 31), (69, 47)]), 2.2, "#a77b4f")
    c.stroke(_smooth([(68, 60), (77, 56), (82, 47), (87, 44)]), 5, SLATE)
    c.turned([(11, 38), (20, 46), (25, 62), (25, 76), (22, 82)], 50, WHITE, None, _mix(SLATE, WHITE, 0.6))
    c.turned([(24.9, 74), (25, 78), (22, 82)], 50, SLATE)
    c.box(38, 36, 62, 40, SLATE, 1.6)
    c.turned([(3, 31), (10, 34), (11, 37)], 50, _mix(SLATE, WHITE, 0.25))
    c.disc(50, 30, 2.6, "#a77b4f")
    for x, y in ((34, 58), (39, 70), (45, 63), (31, 68), (52, 74), (47, 53)):
        c.disc(x, y, 0.7, SLATE)
    return c


def umbrella() -> Canvas:
    c = Canvas("#cfd8d8", "#aebbb4")
    for i in range(26):
        x, y = (i * 37) % 100, (i * 23) % 70
        c.stroke([(x, y), (x - 1.2, y + 4)], 0.4, "#b3c1c4")
    c.shadow(50, 84, 14)
    c.stroke([(50, 24), (50, 78)], 1.6, "#7a5436")
    c.arc(45.5, 78, 5.2, 0, 180, 1.8, "#7a5436")
    panels = [HONEY, "#d3a347", HONEY, "#c2933c"]
    edges = [14, 32, 50, 68, 86]
    for left, right, tone in zip(edges, edges[1:], panels, strict=False):
        dome = [(x, 52 - 33 * math.sqrt(max(0.0, 1 - ((x - 50) / 36.5) ** 2))) for x in _steps(left, right)]
        top_left, top_right = (50 + (left - 50) * 0.05, 18.5), (50 + (right - 50) * 0.05, 18.5)
        rim = [(x, 52 - 4.5 * math.sin(math.pi * (x - left) / (right - left))) for x in _steps(right, left)]
        sides = dome if left in (14,) or right in (86,) else [top_left, top_right]
        c.shape([*sides, *([top_right] if left == 14 else []), *rim, *([top_left] if right == 86 else [])], tone)
    c.disc(50, 17.5, 1.4, "#7a5436")
    return c


def _steps(start: float, end: float, count: int = 24) -> list[float]:
    return [start + (end - start) * i / count for i in range(count + 1)]


PICTURES: dict[str, Callable[[], Canvas]] = {
    each.__name__: each
    for each in (
        teapot, mug_oat, mug_slate, mug_clay, dripper, tea_tin, tasting_box, notebook, fountain_pen, pencils,
        desk_lamp, candle, fern, clock, throw, kettle, umbrella,
    )
}  # fmt: skip


def draw(name: str) -> bytes:
    """Return the picture of that name as a JPEG, well under 100 KB."""
    return PICTURES[name]().jpeg()
