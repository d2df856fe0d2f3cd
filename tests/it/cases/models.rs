//! Models and datasets as they lie in folders, in the cache and on the hub.
