//! Numbers in JSON, which has none that are not finite: NaN is `null`, infinity `"inf"` or `"-inf"`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Copy)]
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_nan() => serializer.serialize_none(),
            f64::INFINITY => serializer.serialize_str("inf"),
            f64::NEG_INFINITY => serializer.serialize_str("-inf"),
            value => serializer.serialize_f64(value),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Finite(f64),
            Infinite(String),
        }
        match Option::<Written>::deserialize(deserializer)? {
            None => Ok(Number(f64::NAN)),
            Some(Written::Finite(value)) => Ok(Number(value)),
            Some(Written::Infinite(text)) => match text.as_str() {
                "inf" => Ok(Number(f64::INFINITY)),
                "-inf" => Ok(Number(f64::NEG_INFINITY)),
                _ => Err(D::Error::custom("expected a number, null, \"inf\" or \"-inf\"")),
            },
        }
    }
}

pub(super) fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().copied().map(Number))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    Ok(Vec::<Number>::deserialize(deserializer)?.into_iter().map(|number| number.0).collect())
}

/// The same for a single number.
pub(super) mod one {
    use super::*;

    pub(in crate::figure) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Number(*value).serialize(serializer)
    }

    pub(in crate::figure) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Number::deserialize(deserializer)?.0)
    }
}

/// The same for points.
pub(super) mod points {
    use super::*;

    pub(in crate::figure) fn serialize<S: Serializer>(points: &[(f64, f64)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(points.iter().map(|(x, y)| (Number(*x), Number(*y))))
    }

    pub(in crate::figure) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(f64, f64)>, D::Error> {
        let points = Vec::<(Number, Number)>::deserialize(deserializer)?;
        Ok(points.into_iter().map(|(x, y)| (x.0, y.0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::figure::{Band, Curve};

    #[test]
    fn numbers_that_are_not_finite_survive_json() {
        let values = vec![0.1 + 0.2, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e-300];
        let curve = Curve {
            name: "a".into(),
            points: values.iter().map(|value| (*value, 1.0)).collect(),
            band: Some(Band { low: values.clone(), high: values }),
        };
        let text = serde_json::to_string(&curve).unwrap();
        assert!(text.contains(r#"[0.30000000000000004,null,"inf","-inf",-1e-300]"#), "{text}");
        let read: Curve = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(serde_json::from_str::<Curve>(&text.replace("\"inf\"", "\"big\"")).is_err());
    }
}
