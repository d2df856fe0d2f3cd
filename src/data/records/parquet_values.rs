//! Values of a parquet file as JSON; dates, times and decimals as the text that pandas prints.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp, ToSpan};
use parquet::basic::{ConvertedType, LogicalType, TimeType, TimeUnit, TimestampType};
use parquet::record::{Field, List, Row};
use parquet::schema::types::{Type, TypePtr};
use serde_json::{Map, Number, Value};

use super::scalar::float_text;

/// Reads the values of one row.
#[derive(Default)]
pub(super) struct ValueReader {
    /// Whether bytes that are not UTF-8 were replaced.
    pub broken_text: bool,
}

impl ValueReader {
    /// The columns of a row or the fields of a struct, without nulls.
    pub fn fields(&mut self, row: &Row, types: &[TypePtr]) -> Map<String, Value> {
        let mut fields = Map::new();
        for (index, (name, field)) in row.get_column_iter().enumerate() {
            let value = self.value(field, types.get(index).map(AsRef::as_ref));
            if !value.is_null() {
                fields.insert(name.clone(), value);
            }
        }
        fields
    }

    fn value(&mut self, field: &Field, kind: Option<&Type>) -> Value {
        match field {
            Field::Null => Value::Null,
            Field::Bool(value) => (*value).into(),
            Field::Byte(value) => (*value).into(),
            Field::Short(value) => (*value).into(),
            Field::Int(value) => (*value).into(),
            Field::Long(value) => long(*value, kind),
            Field::UByte(value) => (*value).into(),
            Field::UShort(value) => (*value).into(),
            Field::UInt(value) => (*value).into(),
            Field::ULong(value) => (*value).into(),
            Field::Float16(value) => float(&format!("{:?}", f32::from(*value))),
            Field::Float(value) => float(&format!("{value:?}")),
            Field::Double(value) => float(&format!("{value:?}")),
            Field::Decimal(_) => field.to_string().trim_end_matches('.').into(),
            Field::Str(text) => text.as_str().into(),
            Field::Bytes(bytes) => {
                let text = String::from_utf8_lossy(bytes.data());
                self.broken_text |= std::str::from_utf8(bytes.data()).is_err();
                text.into()
            }
            Field::Date(days) => text_or(date(*days), (*days).into()),
            Field::TimeMillis(millis) => text_or(time(SignedDuration::from_millis((*millis).into())), (*millis).into()),
            Field::TimeMicros(micros) => text_or(time(SignedDuration::from_micros(*micros)), (*micros).into()),
            Field::TimestampMillis(millis) => {
                text_or(timestamp(Timestamp::from_millisecond(*millis).ok(), kind), (*millis).into())
            }
            Field::TimestampMicros(micros) => {
                text_or(timestamp(Timestamp::from_microsecond(*micros).ok(), kind), (*micros).into())
            }
            Field::Group(row) => Value::Object(self.fields(row, kind.map_or(&[], children))),
            Field::ListInternal(list) => self.list(list, kind),
            Field::MapInternal(map) => {
                let types = kind.map_or(&[][..], children).first().map_or(&[][..], |entry| children(entry));
                let (key_type, value_type) = (types.first().map(AsRef::as_ref), types.get(1).map(AsRef::as_ref));
                let mut fields = Map::new();
                for (key, value) in map.entries() {
                    let key = match self.value(key, key_type) {
                        Value::String(key) => key,
                        key => key.to_string(),
                    };
                    fields.insert(key, self.value(value, value_type));
                }
                Value::Object(fields)
            }
        }
    }

    fn list(&mut self, list: &List, kind: Option<&Type>) -> Value {
        let element = kind.and_then(element_type);
        list.elements().iter().map(|field| self.value(field, element)).collect()
    }
}

fn children(kind: &Type) -> &[TypePtr] {
    if kind.is_group() { kind.get_fields() } else { &[] }
}

/// The type of a list's elements. A repeated field is a list, too.
fn element_type(list: &Type) -> Option<&Type> {
    if list.get_basic_info().converted_type() != ConvertedType::LIST {
        return Some(list);
    }
    let repeated = children(list).first()?;
    match children(repeated) {
        [element] if repeated.name() != "array" && !repeated.name().ends_with("_tuple") => Some(element),
        _ => Some(repeated),
    }
}

/// A float from the digits that Rust prints, so that a 32-bit 0.1 stays 0.1. NaN is null, as pandas has it.
fn float(digits: &str) -> Value {
    match digits {
        "NaN" => Value::Null,
        "inf" | "-inf" => digits.into(),
        digits => {
            digits.parse().ok().and_then(Number::from_f64).map_or_else(|| float_text(digits).into(), Value::Number)
        }
    }
}

/// An integer of 64 bits; times in nanoseconds are stored as such.
fn long(value: i64, kind: Option<&Type>) -> Value {
    match kind.and_then(|kind| kind.get_basic_info().logical_type_ref()) {
        Some(LogicalType::Timestamp(TimestampType { unit: TimeUnit::NANOS, .. })) => {
            text_or(timestamp(Timestamp::from_nanosecond(value.into()).ok(), kind), value.into())
        }
        Some(LogicalType::Time(TimeType { unit: TimeUnit::NANOS, .. })) => {
            text_or(time(SignedDuration::from_nanos(value)), value.into())
        }
        _ => value.into(),
    }
}

fn text_or(text: Option<String>, otherwise: Value) -> Value {
    text.map_or(otherwise, Value::String)
}

fn date(days: i32) -> Option<String> {
    let date = Date::constant(1970, 1, 1).checked_add(days.days()).ok()?;
    Some(date.to_string())
}

fn time(since_midnight: SignedDuration) -> Option<String> {
    let time = Time::midnight().checked_add(since_midnight).ok()?;
    Some(clock(time, 6))
}

fn timestamp(at: Option<Timestamp>, kind: Option<&Type>) -> Option<String> {
    let at: DateTime = jiff::tz::Offset::UTC.to_datetime(at?);
    let logical = kind.and_then(|kind| kind.get_basic_info().logical_type_ref());
    let utc = matches!(logical, Some(LogicalType::Timestamp(TimestampType { is_adjusted_to_u_t_c: true, .. })));
    Some(format!("{} {}{}", at.date(), clock(at.time(), 9), if utc { "+00:00" } else { "" }))
}

/// A time with microseconds where there are any, or with `most` digits where those do not suffice.
fn clock(time: Time, most: usize) -> String {
    let (seconds, nanos) =
        (format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second()), time.subsec_nanosecond());
    match nanos {
        0 => seconds,
        nanos if nanos % 1000 == 0 || most == 6 => format!("{seconds}.{:06}", nanos / 1000),
        nanos => format!("{seconds}.{nanos:09}"),
    }
}
