//! Models and data as people have them: each is read right, or refused in one clear line.

mod chat;
mod labels;
mod models;
mod resuming;
mod tables;
