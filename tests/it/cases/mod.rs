//! Inputs as people have them: read right, or refused in one clear line. One file per topic.

mod vocabulary;
