//! Tables as spreadsheets, pandas and others write them.
