//! Sixel: rows of six pixels, one colour after the other, of at most 256 colours.
//! <https://www.vt100.net/docs/vt3xx-gp/chapter14.html>

use std::fmt::Write;

use super::palette::Indexed;

/// Pixels in a row of sixels.
const BAND: usize = 6;

/// Shows an image from the cursor on. Colours that are not opaque are mixed with the background; transparent pixels stay
/// as they are.
pub fn place(image: &Indexed, background: [u8; 3]) -> String {
    let mut out = format!("\x1bP0;1q\"1;1;{};{}", image.width, image.height);
    for (number, colour) in image.on(background).enumerate().skip(1) {
        let [r, g, b] = colour.map(|value| (u32::from(value) * 100 + 127) / 255);
        let _ = write!(out, "#{number};2;{r};{g};{b}");
    }
    for band in image.pixels.chunks(image.width.max(1) * BAND) {
        let mut present = [false; 256];
        band.iter().for_each(|colour| present[usize::from(*colour)] = true);
        for colour in (1..=255).filter(|colour| present[usize::from(*colour)]) {
            let _ = write!(out, "#{colour}");
            let sixel = |x: usize| {
                let rows = band.chunks(image.width).enumerate();
                rows.filter(|(_, row)| row[x] == colour).fold(0, |bits, (y, _)| bits | 1 << y)
            };
            runs(&mut out, (0..image.width).map(sixel));
            out.push('$');
        }
        out.push('-');
    }
    out + "\x1b\\"
}

/// Writes sixels, repeated ones as a count.
fn runs(out: &mut String, sixels: impl Iterator<Item = u8>) {
    let mut sixels = sixels.peekable();
    while let Some(sixel) = sixels.next() {
        let mut count = 1;
        while sixels.next_if_eq(&sixel).is_some() {
            count += 1;
        }
        // What is empty up to the end needs no sixels.
        if sixel == 0 && sixels.peek().is_none() {
            return;
        }
        let symbol = char::from(b'?' + sixel);
        match count {
            1..4 => (0..count).for_each(|_| out.push(symbol)),
            _ => {
                let _ = write!(out, "!{count}{symbol}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::canvas::Image;
    use super::*;

    /// Colours in percent by position; `None` where nothing is drawn.
    fn decoded(sent: &str) -> (usize, usize, Vec<Option<[u32; 3]>>) {
        let body = sent.strip_prefix("\x1bP0;1q\"").unwrap().strip_suffix("\x1b\\").unwrap();
        let mut rest = body.chars().peekable();
        let number = |rest: &mut std::iter::Peekable<std::str::Chars>| {
            let mut digits = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse::<usize>().unwrap()
        };
        let mut sizes = [0; 4];
        for (i, size) in sizes.iter_mut().enumerate() {
            *size = number(&mut rest);
            assert!(i == 3 || rest.next() == Some(';'));
        }
        let (width, height) = (sizes[2], sizes[3]);
        let mut pixels = vec![None; width * height];
        let mut registers = vec![[0; 3]; 256];
        let (mut x, mut y, mut colour, mut count) = (0, 0, 0, 1);
        while let Some(symbol) = rest.next() {
            match symbol {
                '#' => {
                    colour = number(&mut rest);
                    if rest.next_if_eq(&';').is_some() {
                        assert_eq!(number(&mut rest), 2);
                        registers[colour] = [(); 3].map(|()| {
                            assert_eq!(rest.next(), Some(';'));
                            number(&mut rest) as u32
                        });
                    }
                }
                '!' => count = number(&mut rest),
                '$' => x = 0,
                '-' => (x, y) = (0, y + BAND),
                '?'..='~' => {
                    for _ in 0..std::mem::replace(&mut count, 1) {
                        for row in (0..BAND).filter(|row| (symbol as u8 - b'?') >> row & 1 == 1) {
                            pixels[(y + row) * width + x] = Some(registers[colour]);
                        }
                        x += 1;
                    }
                }
                other => panic!("{other:?} in a sixel image"),
            }
        }
        (width, height, pixels)
    }

    proptest! {
        #[test]
        fn an_image_can_be_decoded(
            (width, height) in (0..30_usize, 0..20_usize), seeds in proptest::collection::vec(any::<[u8; 4]>(), 600),
            few in any::<bool>(),
        ) {
            let seed = |index: usize| seeds[if few { index / 7 % 5 } else { index }];
            let image = Image { width, height, pixels: (0..width * height).flat_map(seed).collect() };
            let indexed = Indexed::of(&image);
            let palette: Vec<[u8; 3]> = indexed.on([10, 20, 30]).collect();
            let (w, h, pixels) = decoded(&place(&indexed, [10, 20, 30]));
            prop_assert_eq!((w, h), (width, height));
            for (index, shown) in indexed.pixels.iter().zip(pixels) {
                let expected = palette[usize::from(*index)].map(|value| (f64::from(value) / 2.55).round() as u32);
                prop_assert_eq!(shown, (*index > 0).then_some(expected));
            }
        }
    }
}
