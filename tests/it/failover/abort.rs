//! Failovers that begin and come to nothing.
