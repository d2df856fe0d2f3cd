//! Numbered files of a split, which tell how many there are.

/// The number of shards in `train-00000-of-00003.parquet` and `train-00000-of-00003-a09b74b3ef9c3b56.parquet`.
pub(super) fn shard_count(name: &str) -> Option<usize> {
    name.rsplit_once("-of-")?.1.split(['.', '-']).next()?.parse().ok()
}

/// Whether all shards that a name counts are among the names.
pub(super) fn all_shards_of(name: &str, names: &[String]) -> bool {
    let stem = |name: &str| Some(name.rsplit_once("-of-")?.0.rsplit_once('-')?.0.to_owned());
    let count =
        names.iter().filter(|other| stem(other) == stem(name) && shard_count(other) == shard_count(name)).count();
    shard_count(name).is_some_and(|shards| count >= shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_shards_is_in_each_name() {
        for (name, count) in [
            ("q/train-00000-of-00002.parquet", Some(2)),
            ("data/train-00000-of-00001-a09b74b3ef9c3b56.parquet", Some(1)),
            ("train.parquet", None),
            ("list-of-names.csv", None),
        ] {
            assert_eq!(shard_count(name), count, "{name}");
        }
        let names = ["q/train-00000-of-00002.parquet", "q/test-00000-of-00001.parquet"].map(String::from);
        assert!(!all_shards_of(&names[0], &names) && all_shards_of(&names[1], &names));
    }
}
