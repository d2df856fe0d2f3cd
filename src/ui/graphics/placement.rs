//! Which pictures the terminal shows. A picture is sent when it or its place is new, and one with anything above it is not
//! shown: the cells below it are.

use std::io;

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::{Buffer, Cell, CellDiffOption};
use ratatui::layout::{Position, Rect};
use ratatui::style::Color;

use super::canvas::Image;
use super::palette::Indexed;
use super::picture::{Picture, Pictures};
use super::{Protocol, iterm2, kitty, sixel};
use crate::ui::theme::components;

/// The pictures on the screen.
#[derive(Default)]
pub struct Placements {
    shown: Vec<Shown>,
    /// How many images were sent, for their ids.
    sent: u32,
}

struct Shown {
    picture: Picture,
    /// The colour behind it.
    behind: Color,
    id: u32,
}

impl Placements {
    /// Whether the terminal shows pictures.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// Forgets the pictures, as after the screen was cleared.
    pub fn forget(&mut self) {
        self.shown.clear();
    }

    /// What to write after this frame, so that the terminal shows its pictures, and those of the last frame no more. Cells of
    /// pictures that are not shown become part of the frame.
    ///
    /// # Errors
    /// An image cannot be encoded.
    pub fn arrange(&mut self, pictures: &Pictures, buffer: &mut Buffer) -> io::Result<Vec<u8>> {
        let mut current = pictures.take();
        current.retain(|picture| {
            let free = is_free(picture, buffer);
            if !free {
                uncover(picture.area, buffer);
            }
            free
        });
        let mut out = Vec::new();
        let mut before = std::mem::take(&mut self.shown);
        let mut deleted = Vec::new();
        for picture in current {
            let behind = buffer[picture.area.as_position()].bg;
            let old = before.iter().position(|shown| shown.picture.area == picture.area);
            let old = old.map(|index| before.swap_remove(index));
            if let Some(old) = old.as_ref().filter(|old| old.behind != behind || old.picture.text != picture.text) {
                deleted.push(old.id);
                write_cells(&mut out, picture.area, buffer)?;
            } else if let Some(old) = old {
                if old.picture == picture {
                    self.shown.push(old);
                    continue;
                }
                deleted.push(old.id);
            } else {
                write_cells(&mut out, picture.area, buffer)?;
            }
            self.sent = self.sent.wrapping_add(1);
            let id = id(self.sent);
            let image = Indexed::of(&Image::of(&picture, pictures.cell));
            let Rect { x, y, .. } = picture.area;
            out.extend(format!("\x1b[{};{}H", y + 1, x + 1).bytes());
            let ground = || components(behind).or(pictures.background).unwrap_or_default();
            out.extend(match pictures.protocol {
                Protocol::Kitty => kitty::place(&image, id, picture.area)?.into_bytes(),
                Protocol::Iterm2 => iterm2::place(&image, picture.area)?.into_bytes(),
                Protocol::Sixel => sixel::place(&image, ground()).into_bytes(),
            });
            if pictures.protocol != Protocol::Kitty {
                write_cells(&mut out, picture.text, buffer)?;
            }
            self.shown.push(Shown { picture, behind, id });
        }
        // Text removes pictures of the other protocols.
        if pictures.protocol == Protocol::Kitty {
            deleted.extend(before.iter().map(|shown| shown.id));
            deleted.into_iter().for_each(|id| out.extend(kitty::delete(id).into_bytes()));
        }
        if !out.is_empty() {
            // The cursor stays where the frame left it.
            out = [b"\x1b7", &out[..], b"\x1b8"].concat();
        }
        Ok(out)
    }
}

/// The id of an image. Other programs in the same window may number theirs from 1.
fn id(number: u32) -> u32 {
    std::process::id().wrapping_shl(12) & 0x7fff_f000 | number & 0xfff | 1 << 31
}

/// Whether nothing was drawn above a picture.
fn is_free(picture: &Picture, buffer: &Buffer) -> bool {
    let is_untouched = |position: Position| {
        picture.text.contains(position)
            || buffer.cell(position).is_some_and(|cell| cell.diff_option == CellDiffOption::Skip)
    };
    !picture.area.is_empty() && picture.area.positions().all(is_untouched)
}

/// Leaves an area to its cells.
fn uncover(area: Rect, buffer: &mut Buffer) {
    for position in area.intersection(buffer.area).positions() {
        buffer[position].set_diff_option(CellDiffOption::None);
    }
}

/// Writes the cells of an area: blank ones for a picture, and those of its text.
fn write_cells(out: &mut Vec<u8>, area: Rect, buffer: &Buffer) -> io::Result<()> {
    let cells: Vec<(Position, Cell)> = area
        .intersection(buffer.area)
        .positions()
        .map(|position| {
            let cell = &buffer[position];
            let mut blank = Cell::default();
            blank.set_bg(cell.bg);
            (position, if cell.diff_option == CellDiffOption::Skip { blank } else { cell.clone() })
        })
        .collect();
    CrosstermBackend::new(out).draw(cells.iter().map(|(position, cell)| (position.x, position.y, cell)))
}

#[cfg(test)]
mod tests {
    use ratatui::widgets::{Clear, Widget};

    use super::super::picture::{Layer, PixelSize, Shape};
    use super::*;

    const AREA: Rect = Rect { x: 2, y: 1, width: 10, height: 4 };

    fn picture(height: f32) -> Picture {
        let shapes = vec![Shape::Line { from: (0.0, height), to: (40.0, height), width: 2.0 }];
        let text = Rect { x: 5, y: 2, width: 4, height: 1 };
        Picture { area: AREA, text, layers: vec![Layer { colour: [255; 3], opacity: 1.0, shapes }] }
    }

    struct Screen {
        pictures: Pictures,
        placements: Placements,
    }

    impl Screen {
        fn with(protocol: Protocol) -> Screen {
            let pictures = Pictures::new(protocol, PixelSize { width: 4, height: 8 }, None);
            Screen { pictures, placements: Placements::default() }
        }

        /// What a frame with a picture writes, and its buffer.
        fn frame(&mut self, picture: Option<Picture>, draw: impl Fn(&mut Buffer)) -> (String, Buffer) {
            let mut buffer = Buffer::filled(Rect::new(0, 0, 20, 8), Cell::new("."));
            if let Some(picture) = picture {
                buffer.set_string(picture.text.x, picture.text.y, "0.31", ratatui::style::Style::new());
                self.pictures.record(picture, &mut buffer);
            }
            draw(&mut buffer);
            let out = self.placements.arrange(&self.pictures, &mut buffer).unwrap();
            (String::from_utf8(out).unwrap(), buffer)
        }
    }

    fn counts(out: &str) -> (usize, usize) {
        (out.matches("a=T,").count(), out.matches("a=d,").count())
    }

    #[test]
    fn a_picture_is_sent_when_it_changes_and_deleted_when_it_goes() {
        let mut screen = Screen::with(Protocol::Kitty);
        let nothing = |_: &mut Buffer| {};
        let (first, buffer) = screen.frame(Some(picture(5.0)), nothing);
        assert_eq!(counts(&first), (1, 0));
        assert!(first.starts_with("\x1b7") && first.ends_with("\x1b8") && first.contains("\x1b[2;3H"), "{first:?}");
        assert_eq!(buffer[(2, 1)].diff_option, CellDiffOption::Skip);
        assert_eq!(buffer[(5, 2)].diff_option, CellDiffOption::None);
        assert_eq!(screen.frame(Some(picture(5.0)), nothing).0, "");
        let (changed, _) = screen.frame(Some(picture(6.0)), nothing);
        assert_eq!(counts(&changed), (1, 1));
        assert!(!changed.contains("0.31"), "the text stays where it is: {changed:?}");
        assert!(changed.find("a=T,") < changed.find("a=d,"), "the new one hides that the old one goes");
        assert_eq!(counts(&screen.frame(None, nothing).0), (0, 1));
        assert!(screen.placements.is_empty());
    }

    #[test]
    fn a_picture_with_something_above_it_is_not_shown() {
        for protocol in [Protocol::Kitty, Protocol::Iterm2, Protocol::Sixel] {
            let mut screen = Screen::with(protocol);
            screen.frame(Some(picture(5.0)), |_| {});
            let popup = |buffer: &mut Buffer| Clear.render(Rect::new(11, 4, 5, 3), buffer);
            let (covered, buffer) = screen.frame(Some(picture(5.0)), popup);
            assert_eq!(counts(&covered), (0, usize::from(protocol == Protocol::Kitty)), "{covered:?}");
            assert!(buffer.content.iter().all(|cell| cell.diff_option == CellDiffOption::None));
            assert_eq!((buffer[(2, 1)].symbol(), buffer[(11, 4)].symbol()), (".", " "));
            assert!(!screen.frame(Some(picture(5.0)), |_| {}).0.is_empty(), "it is sent again afterwards");
        }
    }

    #[test]
    fn text_lies_above_the_picture() {
        for (protocol, start) in [(Protocol::Iterm2, "\x1b]1337;"), (Protocol::Sixel, "\x1bP0;1q")] {
            let mut screen = Screen::with(protocol);
            screen.frame(Some(picture(5.0)), |_| {});
            let (changed, _) = screen.frame(Some(picture(6.0)), |_| {});
            assert!(changed.find(start) < changed.find("0.31"), "{changed:?}");
        }
    }

    #[test]
    fn another_background_or_place_of_the_text_draws_the_cells_again() {
        let mut screen = Screen::with(Protocol::Kitty);
        screen.frame(Some(picture(5.0)), |_| {});
        let paint = |buffer: &mut Buffer| buffer.content.iter_mut().for_each(|cell| cell.bg = Color::Rgb(1, 2, 3));
        let (painted, _) = screen.frame(Some(picture(5.0)), paint);
        assert!(painted.contains("48;2;1;2;3") && counts(&painted) == (1, 1), "{painted:?}");
        let moved = Picture { text: Rect { x: 6, ..picture(5.0).text }, ..picture(5.0) };
        assert!(screen.frame(Some(moved), paint).0.contains("0.31"));
    }

    #[test]
    fn a_picture_outside_of_the_screen_is_not_shown() {
        let mut screen = Screen::with(Protocol::Kitty);
        let outside = Picture { area: Rect { x: 15, ..AREA }, text: Rect::ZERO, ..picture(5.0) };
        assert_eq!(screen.frame(Some(outside), |_| {}).0, "");
        let empty = Picture { area: Rect::ZERO, text: Rect::ZERO, layers: Vec::new() };
        assert_eq!(screen.frame(Some(empty), |_| {}).0, "");
    }
}
