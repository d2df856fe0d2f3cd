//! Shapes as antialiased pixels. A pixel's coverage is computed from its distance to a line, or by sampling a polygon.

use super::picture::{Layer, Picture, PixelSize, Shape};

/// Pixels of four bytes: red, green, blue, opacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

impl Image {
    /// Draws a picture, of so many pixels for each cell. Where nothing is drawn it is transparent.
    pub fn of(picture: &Picture, cell: PixelSize) -> Image {
        let width = usize::from(picture.area.width) * usize::from(cell.width);
        let height = usize::from(picture.area.height) * usize::from(cell.height);
        let mut image = Image { width, height, pixels: vec![0; width * height * 4] };
        let mut mask = Mask { width, height, cover: vec![0; width * height] };
        for layer in &picture.layers {
            layer.shapes.iter().for_each(|shape| mask.draw(shape));
            image.blend(layer, &mut mask);
        }
        image.clear(picture, cell);
        image
    }

    /// Leaves the cells of the text empty: a line through it makes it hard to read.
    fn clear(&mut self, picture: &Picture, cell: PixelSize) {
        let (area, text) = (picture.area, picture.text.intersection(picture.area));
        let pixels = |cells: u16, size: u16| usize::from(cells) * usize::from(size);
        let left = pixels(text.x - area.x, cell.width);
        let (top, bottom) = (pixels(text.y - area.y, cell.height), pixels(text.bottom() - area.y, cell.height));
        for row in if text.is_empty() { 0..0 } else { top..bottom } {
            let start = (row * self.width + left) * 4;
            self.pixels[start..start + pixels(text.width, cell.width) * 4].fill(0);
        }
    }

    /// Lays a colour over the pixels as far as the mask covers them, and empties the mask.
    fn blend(&mut self, layer: &Layer, mask: &mut Mask) {
        let share = layer.opacity.clamp(0.0, 1.0) / 255.0;
        for (pixel, cover) in self.pixels.chunks_exact_mut(4).zip(&mut mask.cover) {
            if *cover == 0 {
                continue;
            }
            let over = f32::from(std::mem::take(cover)) * share;
            // Rounded by adding a half: this runs for each pixel, and `round` is slow.
            if pixel[3] == 0 {
                pixel[..3].copy_from_slice(&layer.colour);
                pixel[3] = (over * 255.0 + 0.5) as u8;
                continue;
            }
            let below = f32::from(pixel[3]) / 255.0 * (1.0 - over);
            let opacity = over + below;
            for (value, colour) in pixel.iter_mut().zip(layer.colour) {
                *value = ((f32::from(colour) * over + f32::from(*value) * below) / opacity + 0.5) as u8;
            }
            pixel[3] = (opacity * 255.0 + 0.5) as u8;
        }
    }
}

/// How far the shapes of a layer cover each pixel, 0 to 255.
struct Mask {
    width: usize,
    height: usize,
    cover: Vec<u8>,
}

impl Mask {
    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Line { from, to, width } => self.line(*from, *to, width / 2.0),
            Shape::Bar { column, top, bottom } => self.bar(*column as usize, *top, *bottom),
            Shape::Polygon(corners) => self.polygon(corners),
        }
    }

    fn cover(&mut self, x: usize, y: usize, share: f32) {
        let cover = &mut self.cover[y * self.width + x];
        *cover = (*cover).max((share.clamp(0.0, 1.0) * 255.0 + 0.5) as u8);
    }

    fn line(&mut self, from: (f32, f32), to: (f32, f32), radius: f32) {
        let (from, to) = if from.0 <= to.0 { (from, to) } else { (to, from) };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let squared = dx * dx + dy * dy;
        let inverse = if squared > 0.0 { squared.recip() } else { 0.0 };
        // A line thinner than a pixel is as much fainter.
        let most = (2.0 * radius).min(1.0);
        let reach = radius + 1.0;
        for x in within(from.0 - reach, to.0 + reach, self.width) {
            // Only the rows beside the line in this column: a line across the picture has a large box around it.
            let at = |x: f32| if dx > 1e-3 { from.1 + ((x - from.0) / dx).clamp(0.0, 1.0) * dy } else { f32::NAN };
            let (left, right) = (at(x as f32 - reach), at(x as f32 + 1.0 + reach));
            let (top, bottom) = if left.is_nan() { (from.1, to.1) } else { (left, right) };
            for y in within(top.min(bottom) - reach, top.max(bottom) + reach, self.height) {
                let (px, py) = (x as f32 + 0.5 - from.0, y as f32 + 0.5 - from.1);
                let along = ((px * dx + py * dy) * inverse).clamp(0.0, 1.0);
                let (px, py) = (px - along * dx, py - along * dy);
                let share = radius + 0.5 - (px * px + py * py).sqrt();
                if share > 0.0 {
                    self.cover(x, y, share.min(most));
                }
            }
        }
    }

    fn bar(&mut self, column: usize, top: f32, bottom: f32) {
        if column >= self.width {
            return;
        }
        for y in within(top, bottom, self.height) {
            let (above, below) = ((y as f32).max(top), (y as f32 + 1.0).min(bottom));
            self.cover(column, y, below - above);
        }
    }

    /// Samples each pixel at 4 x 4 points.
    fn polygon(&mut self, corners: &[(f32, f32)]) {
        const SAMPLES: u8 = 4;
        let range = |of: fn(&(f32, f32)) -> f32| {
            corners.iter().map(of).fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(value), high.max(value)))
        };
        let ((left, right), (top, bottom)) = (range(|corner| corner.0), range(|corner| corner.1));
        let offsets = || (0..SAMPLES).map(|sample| (f32::from(sample) + 0.5) / f32::from(SAMPLES));
        for y in within(top, bottom, self.height) {
            for x in within(left, right, self.width) {
                let inside = |dx: f32, dy: f32| contains(corners, x as f32 + dx, y as f32 + dy);
                let count = offsets().flat_map(|dy| offsets().map(move |dx| (dx, dy)));
                let count = count.filter(|(dx, dy)| inside(*dx, *dy)).count();
                self.cover(x, y, count as f32 / f32::from(SAMPLES * SAMPLES));
            }
        }
    }
}

/// The pixels that lie between two positions, and in the picture.
fn within(from: f32, to: f32, length: usize) -> std::ops::Range<usize> {
    // A cast saturates, and turns NaN into 0.
    (from.floor().max(0.0) as usize).min(length)..(to.ceil().max(0.0) as usize).min(length)
}

/// Whether a point lies in a polygon: a ray from it crosses the outline an odd number of times.
fn contains(corners: &[(f32, f32)], x: f32, y: f32) -> bool {
    let before = corners.iter().cycle().skip(corners.len().saturating_sub(1));
    let crossings = corners
        .iter()
        .zip(before)
        .filter(|((ax, ay), (bx, by))| (*ay > y) != (*by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax);
    crossings.count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::layout::Rect;

    use super::*;

    fn drawn(width: u16, height: u16, layers: Vec<Layer>) -> Image {
        let picture = Picture { area: Rect::new(0, 0, width, height), text: Rect::ZERO, layers };
        Image::of(&picture, PixelSize { width: 1, height: 1 })
    }

    fn opacity(image: &Image, x: usize, y: usize) -> u8 {
        image.pixels[(y * image.width + x) * 4 + 3]
    }

    fn layer(shapes: Vec<Shape>) -> Layer {
        Layer { colour: [200, 100, 50], opacity: 1.0, shapes }
    }

    #[test]
    fn a_line_covers_its_width_in_every_column() {
        for (from, to) in [((-5.0, 10.0), (45.0, 10.0)), ((-5.0, 4.25), (45.0, 14.25)), ((45.0, 18.0), (-5.0, 2.0))] {
            let image = drawn(40, 20, vec![layer(vec![Shape::Line { from, to, width: 2.0 }])]);
            let slope: f32 = (to.1 - from.1) / (to.0 - from.0);
            for x in 0..40 {
                let covered: f32 = (0..20).map(|y| f32::from(opacity(&image, x, y)) / 255.0).sum();
                let expected = 2.0 * (1.0 + slope * slope).sqrt();
                assert!((covered - expected).abs() < 0.2, "column {x}: {covered}, expected {expected}");
                let weighted: f32 = (0..20).map(|y| (y as f32 + 0.5) * f32::from(opacity(&image, x, y)) / 255.0).sum();
                let middle = from.1 + slope * (x as f32 + 0.5 - from.0);
                assert!((weighted / covered - middle).abs() < 0.2, "column {x}");
            }
        }
    }

    #[test]
    fn bars_cover_parts_of_pixels_and_overlaps_are_no_denser() {
        let bar = Shape::Bar { column: 1, top: 1.25, bottom: 3.0 };
        let image = drawn(3, 4, vec![Layer { opacity: 0.5, ..layer(vec![bar.clone(), bar]) }]);
        let column = |x| (0..4).map(|y| opacity(&image, x, y)).collect::<Vec<u8>>();
        assert_eq!((column(0), column(1)), (vec![0; 4], vec![0, 96, 128, 0]));
        assert_eq!(image.pixels[(3 * 2 + 1) * 4..][..3], [200, 100, 50]);
    }

    #[test]
    fn an_upper_layer_hides_a_lower_one_as_far_as_it_is_opaque() {
        let bar = || vec![Shape::Bar { column: 0, top: 0.0, bottom: 1.0 }];
        let lower = Layer { colour: [0, 0, 200], opacity: 1.0, shapes: bar() };
        let upper = |opacity| Layer { colour: [200, 0, 0], opacity, shapes: bar() };
        assert_eq!(drawn(1, 1, vec![lower.clone(), upper(1.0)]).pixels, [200, 0, 0, 255]);
        assert_eq!(drawn(1, 1, vec![lower, upper(0.5)]).pixels, [100, 0, 100, 255]);
    }

    #[test]
    fn nothing_is_drawn_behind_the_text() {
        let shapes = (0..12).map(|column| Shape::Bar { column, top: 0.0, bottom: 8.0 }).collect();
        let (area, text) = (Rect::new(5, 3, 6, 4), Rect::new(7, 4, 2, 1));
        let image = Image::of(&Picture { area, text, layers: vec![layer(shapes)] }, PixelSize { width: 2, height: 2 });
        for (x, y) in (0..12).flat_map(|x| (0..8).map(move |y| (x, y))) {
            let behind = (4..8).contains(&x) && (2..4).contains(&y);
            assert_eq!(opacity(&image, x, y), if behind { 0 } else { 255 }, "{x} {y}");
        }
    }

    #[test]
    fn a_diamond_is_full_in_the_middle_and_half_at_its_edges() {
        let image = drawn(20, 20, vec![layer(vec![Shape::diamond((10.0, 10.0), 6.0)])]);
        assert_eq!(opacity(&image, 10, 10), 255);
        assert_eq!(opacity(&image, 4, 4), 0);
        assert!((90..166).contains(&opacity(&image, 12, 6)), "{}", opacity(&image, 12, 6));
        let star = drawn(20, 20, vec![layer(vec![Shape::star((10.0, 10.0), 8.0)])]);
        assert_eq!((opacity(&star, 10, 10), opacity(&star, 2, 2)), (255, 0));
        assert!(opacity(&star, 9, 4) > 200);
    }

    proptest! {
        #[test]
        fn any_shape_can_be_drawn_at_any_size(
            (width, height) in (0..60_u16, 0..40_u16), numbers in proptest::collection::vec(any::<f32>(), 5),
            near in any::<bool>(), opacity in any::<f32>(),
        ) {
            let n = |index: usize| if near { numbers[index] % 50.0 } else { numbers[index] };
            let (from, to) = ((n(0), n(1)), (n(2), n(3)));
            let shapes = vec![
                Shape::Line { from, to, width: n(4) },
                Shape::Bar { column: n(0) as u32, top: n(1), bottom: n(2) },
                Shape::star(from, n(4)),
                Shape::diamond(to, n(4)),
                Shape::Polygon(Vec::new()),
            ];
            let image = drawn(width, height, vec![Layer { colour: [1, 2, 3], opacity, shapes }]);
            prop_assert_eq!(image.pixels.len(), usize::from(width) * usize::from(height) * 4);
        }
    }
}
