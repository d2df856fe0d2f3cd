//! A run's numbers as a TensorBoard event file: records of protocol buffers, each with two checksums.

use std::io::{self, Write};

use crate::runs::Rows;

/// Writes rows as a TensorBoard event file. `start` is when training began, in seconds since 1970; the wall time of each
/// value is `start` plus the training time.
///
/// # Errors
/// The writer fails.
pub fn tensorboard(rows: &Rows, start: f64, mut out: impl Write) -> io::Result<()> {
    let version = [double(1, start), bytes(3, b"brain.Event:2")].concat();
    record(&mut out, &version)?;
    for (number, row) in rows.iter() {
        let mut values: Vec<(String, f64)> = Vec::new();
        if let Some(step) = &row.step {
            values.extend([
                ("train/loss".to_owned(), step.loss),
                ("train/learning_rate".to_owned(), step.learning_rate),
                ("train/grad_norm".to_owned(), step.grad_norm),
                ("train/tokens_per_second".to_owned(), step.tokens_per_second),
            ]);
        }
        values.extend(row.mass.map(|mass| ("train/gradient_mass".to_owned(), mass)));
        if let Some(eval) = &row.eval {
            values.extend(eval.scores.iter().map(|(name, &score)| (format!("eval/{name}"), score)));
            values.push(("eval/loss".to_owned(), eval.loss));
        }
        let values = values.iter().map(|(tag, value)| {
            let value = [bytes(1, tag.as_bytes()), key(2, 5), (*value as f32).to_le_bytes().to_vec()].concat();
            bytes(1, &value)
        });
        let summary = values.collect::<Vec<_>>().concat();
        let event = [double(1, start + row.elapsed), key(2, 0), varint(number), bytes(5, &summary)].concat();
        record(&mut out, &event)?;
    }
    out.flush()
}

/// A record as TensorFlow frames it: length, checksum of the length, data, checksum of the data.
fn record(out: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let length = (data.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&masked(crc32c(&length)).to_le_bytes())?;
    out.write_all(data)?;
    out.write_all(&masked(crc32c(data)).to_le_bytes())
}

/// A checksum of data that contains checksums is weak, so TensorFlow rotates them.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C bit by bit: the files are small.
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

fn key(field: u64, wire: u64) -> Vec<u8> {
    varint(field << 3 | wire)
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn double(field: u64, value: f64) -> Vec<u8> {
    [key(field, 1), value.to_le_bytes().to_vec()].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [key(field, 2), varint(value.len() as u64), value.to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Event, Mass};
    use crate::runs::History;

    #[test]
    fn the_checksum_is_crc_32c() {
        // From RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_record_is_framed_and_holds_its_values() {
        let (mut history, mut out) = (History::every_step(), Vec::new());
        let mass = Event::Mass(Mass { step: 300, overall: 37.5, targets: vec![] });
        [Event::info("not a number"), mass].into_iter().for_each(|event| history.apply(event));
        tensorboard(&history.rows, 2.0, &mut out).unwrap();
        let mut rest = &out[..];
        let mut records = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(rest[8..12], masked(crc32c(&rest[..8])).to_le_bytes());
            let data = &rest[12..12 + length];
            assert_eq!(rest[12 + length..16 + length], masked(crc32c(data)).to_le_bytes());
            records.push(data.to_vec());
            rest = &rest[16 + length..];
        }
        assert_eq!(records[0], [&[0x09], &2f64.to_le_bytes()[..], &[0x1a, 13], b"brain.Event:2"].concat());
        let tag = b"train/gradient_mass";
        let value = [&[0x0a, tag.len() as u8], &tag[..], &[0x15], &37.5f32.to_le_bytes()].concat();
        let summary = [&[0x0a, value.len() as u8], &value[..]].concat();
        let step = [0x10, 0xac, 0x02];
        let expected = [&[0x09], &2f64.to_le_bytes()[..], &step, &[0x2a, summary.len() as u8], &summary].concat();
        assert_eq!(records[1], expected);
    }
}
