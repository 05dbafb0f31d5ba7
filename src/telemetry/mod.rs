//! The access log and the metrics.

pub mod record;
