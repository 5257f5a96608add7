//! Rules that hold for several resources at once. Pure: no clock, no socket, no Kubernetes.

pub mod brakes;
