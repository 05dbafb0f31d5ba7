//! Nothing that a client frames oddly becomes something else towards an HTTP/2 upstream.
