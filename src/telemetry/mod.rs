//! The access log and the metrics.
