//! An image that shapes and glyphs are drawn on, with smooth edges.

use ab_glyph::{Font, FontRef, GlyphId, PxScale, point};

use super::palette::Rgb;
use super::shapes::{DOT, LINE, Shape};

/// Pixels of a unit: twice the size of the SVG, so that text is sharp on dense screens.
pub(super) const SCALE: f32 = 2.0;

/// Size of the text in units, as in the SVG, and the distance of its baseline from the top of a cell.
const TEXT: f32 = 13.0;
const BASELINE: f32 = 12.0;

/// How far a bold glyph is drawn a second time, in units.
const BOLD: f32 = 0.45;

/// Straight parts that a turn is drawn with.
const PARTS: usize = 12;

/// An image of opaque pixels, three bytes each.
pub(super) struct Raster {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<u8>,
}

/// A place on the image in units, and the colour that is drawn there.
#[derive(Clone, Copy)]
pub(super) struct Pen {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) color: Rgb,
}

impl Raster {
    /// An image of this size in units, in one colour.
    pub(super) fn new(width: u32, height: u32, color: Rgb) -> Raster {
        let (width, height) = ((width as f32 * SCALE) as usize, (height as f32 * SCALE) as usize);
        Raster { width, height, pixels: color.repeat(width * height) }
    }

    pub(super) fn shape(&mut self, shape: Shape, pen: Pen) {
        let place = |(x, y): (f32, f32)| (pen.x + x, pen.y + y);
        match shape {
            Shape::Block { area: [left, top, right, bottom], opacity } => {
                let (from, to) = (place((left, top)), place((right, bottom)));
                self.block([from.0, from.1, to.0, to.1], opacity, pen.color);
            }
            Shape::Line { from, to, heavy } => self.stroke(place(from), place(to), LINE[usize::from(heavy)], pen.color),
            Shape::Turn { from, control, to } => {
                let at = |part: usize| {
                    let t = part as f32 / PARTS as f32;
                    let curve = |a: f32, b: f32, c: f32| (1.0 - t).powi(2) * a + 2.0 * t * (1.0 - t) * b + t * t * c;
                    place((curve(from.0, control.0, to.0), curve(from.1, control.1, to.1)))
                };
                let points: Vec<(f32, f32)> = (0..=PARTS).map(at).collect();
                self.polyline(&points, LINE[0] / 2.0, pen.color);
            }
            Shape::Dot(x, y) => self.polyline(&[place((x, y)), place((x, y))], DOT, pen.color),
        }
    }

    /// Fills a rectangle. Its edges lie between pixels.
    pub(super) fn block(&mut self, area: [f32; 4], opacity: f32, color: Rgb) {
        let [left, top, right, bottom] = area.map(|edge| (edge * SCALE).round().max(0.0) as usize);
        for y in top..bottom.min(self.height) {
            for x in left..right.min(self.width) {
                self.blend(x, y, opacity, color);
            }
        }
    }

    /// A straight line along an axis, as sharp as its width in whole pixels.
    fn stroke(&mut self, from: (f32, f32), to: (f32, f32), width: f32, color: Rgb) {
        let half = (width * SCALE).round().max(1.0) / SCALE / 2.0;
        let (left, right) = (from.0.min(to.0), from.0.max(to.0));
        let (top, bottom) = (from.1.min(to.1), from.1.max(to.1));
        let [x, y] = if top == bottom { [0.0, half] } else { [half, 0.0] };
        self.block([left - x, top - y, right + x, bottom + y], 1.0, color);
    }

    /// Strokes a curve: a pixel is covered by how near it is.
    fn polyline(&mut self, points: &[(f32, f32)], radius: f32, color: Rgb) {
        let bounds = |of: fn(&(f32, f32)) -> f32, most: usize| {
            let (low, high) =
                points.iter().map(of).fold((f32::MAX, f32::MIN), |(low, high), at| (low.min(at), high.max(at)));
            let from = ((low - radius) * SCALE - 1.0).max(0.0) as usize;
            from..(((high + radius) * SCALE + 1.0).max(0.0).ceil() as usize).min(most)
        };
        let (across, down) = (bounds(|at| at.0, self.width), bounds(|at| at.1, self.height));
        for y in down {
            for x in across.clone() {
                let at = ((x as f32 + 0.5) / SCALE, (y as f32 + 0.5) / SCALE);
                let near = points.windows(2).map(|ends| distance(at, ends[0], ends[1])).fold(f32::MAX, f32::min);
                self.blend(x, y, ((radius - near) * SCALE + 0.5).clamp(0.0, 1.0), color);
            }
        }
    }

    /// Draws the characters of a symbol over each other: a letter and what combines with it. One that the font lacks is a
    /// frame.
    pub(super) fn text(&mut self, font: &FontRef, symbol: &str, cells: f32, pen: Pen, bold: bool) {
        let known = |c: char| Some(font.glyph_id(c)).filter(|glyph| *glyph != GlyphId(0));
        let mut drawn = false;
        for c in symbol.chars() {
            let Some(glyph) = known(c) else { continue };
            drawn = true;
            for right in if bold { &[0.0, BOLD][..] } else { &[0.0][..] } {
                self.glyph(font, glyph, Pen { x: pen.x + right, ..pen });
            }
        }
        if !drawn && !symbol.trim().is_empty() {
            let [left, top, right, bottom] = [pen.x + 1.0, pen.y + 3.0, pen.x + cells - 1.0, pen.y + 13.0];
            let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
            corners.windows(2).for_each(|ends| self.stroke(ends[0], ends[1], 0.5, pen.color));
        }
    }

    fn glyph(&mut self, font: &FontRef, glyph: GlyphId, pen: Pen) {
        // The size of a font is its em; `PxScale` is the height of its lines.
        let em = font.units_per_em().unwrap_or(1.0);
        let scale = PxScale::from(TEXT * SCALE * font.height_unscaled() / em);
        let glyph = glyph.with_scale_and_position(scale, point(pen.x * SCALE, (pen.y + BASELINE) * SCALE));
        let Some(outlined) = font.outline_glyph(glyph) else { return };
        let bounds = outlined.px_bounds();
        outlined.draw(|x, y, coverage| {
            let (x, y) = (bounds.min.x + x as f32, bounds.min.y + y as f32);
            if x >= 0.0 && y >= 0.0 && (x as usize) < self.width && (y as usize) < self.height {
                self.blend(x as usize, y as usize, coverage.clamp(0.0, 1.0), pen.color);
            }
        });
    }

    fn blend(&mut self, x: usize, y: usize, coverage: f32, color: Rgb) {
        let first = 3 * (y * self.width + x);
        for (pixel, channel) in self.pixels[first..first + 3].iter_mut().zip(color) {
            *pixel = (f32::from(*pixel) + (f32::from(channel) - f32::from(*pixel)) * coverage).round() as u8;
        }
    }
}

/// The distance of a point from a line between two others.
fn distance(at: (f32, f32), from: (f32, f32), to: (f32, f32)) -> f32 {
    let (along, towards) = ((to.0 - from.0, to.1 - from.1), (at.0 - from.0, at.1 - from.1));
    let length = along.0 * along.0 + along.1 * along.1;
    let share = if length > 0.0 { ((along.0 * towards.0 + along.1 * towards.1) / length).clamp(0.0, 1.0) } else { 0.0 };
    (towards.0 - share * along.0).hypot(towards.1 - share * along.1)
}
