//! Conversations and instructions as people have them.
