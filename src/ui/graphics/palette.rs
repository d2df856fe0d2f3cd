//! Pixels of at most 256 colours. Charts have few, and an image with a palette takes a quarter of the time and the bytes.

use std::collections::HashMap;

use super::canvas::Image;

/// An image whose pixels are indices of colours. The first colour is transparent.
pub struct Indexed {
    pub width: usize,
    pub height: usize,
    /// Red, green, blue, opacity.
    pub palette: Vec<[u8; 4]>,
    pub pixels: Vec<u8>,
}

/// Colours that become one.
#[derive(Default)]
struct Bucket {
    sums: [u32; 4],
    count: u32,
}

impl Indexed {
    /// Similar colours become one, their mean, as far as needed.
    pub fn of(image: &Image) -> Indexed {
        let coarser = (3..8).find_map(|bits| indexed(image, bits));
        let (palette, pixels) = coarser.unwrap_or_else(|| (vec![[0; 4]], vec![0; image.width * image.height]));
        Indexed { width: image.width, height: image.height, palette, pixels }
    }

    /// The palette on an opaque background.
    pub fn on(&self, background: [u8; 3]) -> impl Iterator<Item = [u8; 3]> {
        self.palette.iter().map(move |colour| {
            let opacity = u32::from(colour[3]);
            let mix = |i: usize| (u32::from(colour[i]) * opacity + u32::from(background[i]) * (255 - opacity)) / 255;
            [mix(0) as u8, mix(1) as u8, mix(2) as u8]
        })
    }
}

/// Palette and pixels if colours that differ only in so many lower bits are one; `None` if there are too many of them. With one
/// bit left there are 16.
fn indexed(image: &Image, bits: u32) -> Option<(Vec<[u8; 4]>, Vec<u8>)> {
    let (mut buckets, mut indices) = (vec![Bucket::default()], HashMap::new());
    let mut pixels = Vec::with_capacity(image.width * image.height);
    // Neighbours often are alike.
    let mut last = ([0; 4], 0);
    for pixel in image.pixels.chunks_exact(4) {
        let pixel = [pixel[0], pixel[1], pixel[2], pixel[3]];
        if pixel[3] == 0 {
            pixels.push(0);
            continue;
        }
        let key = pixel.map(|value| value >> bits);
        if last.1 == 0 || last.0 != key {
            let next = buckets.len();
            let index = *indices.entry(key).or_insert(next);
            if index == next {
                buckets.push(Bucket::default());
            }
            last = (key, u8::try_from(index).ok()?);
        }
        let bucket = &mut buckets[usize::from(last.1)];
        bucket.count += 1;
        bucket.sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(value));
        pixels.push(last.1);
    }
    let mean = |bucket: &Bucket| bucket.sums.map(|sum| ((sum + bucket.count / 2) / bucket.count.max(1)) as u8);
    Some((buckets.iter().map(mean).collect(), pixels))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_colours_are_exact_and_transparent_pixels_have_the_first() {
        let colours = [[255, 0, 0, 255], [9, 9, 9, 0], [0, 128, 255, 120], [255, 0, 0, 255]];
        let image = Image { width: 2, height: 2, pixels: colours.concat() };
        let indexed = Indexed::of(&image);
        assert_eq!(indexed.pixels, [1, 0, 2, 1]);
        assert_eq!(indexed.palette, [[0; 4], colours[0], colours[2]]);
        assert_eq!(indexed.on([100, 100, 100]).collect::<Vec<_>>()[2], [52, 113, 172]);
    }

    proptest! {
        #[test]
        fn many_colours_become_similar_ones(seeds in proptest::collection::vec(any::<[u8; 4]>(), 0..2000)) {
            let image = Image { width: seeds.len(), height: 1, pixels: seeds.concat() };
            let indexed = Indexed::of(&image);
            prop_assert!(indexed.palette.len() <= 256);
            for (pixel, index) in seeds.iter().zip(&indexed.pixels) {
                prop_assert_eq!(pixel[3] == 0, *index == 0);
                let shown = indexed.palette[usize::from(*index)];
                prop_assert!(*index == 0 || pixel.iter().zip(shown).all(|(a, b)| a.abs_diff(b) < 128));
            }
        }
    }
}
