//! Start-up settings: raw, then checked. A restart changes them.
