//! Tables of the documentation against what the code says.
