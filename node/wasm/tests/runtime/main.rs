//! The runtime on real components: text ones made for a test, and those of `components/dist`.

mod calls;
mod http;
mod limits;
mod loading;
mod support;
