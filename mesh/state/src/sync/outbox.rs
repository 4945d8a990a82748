//! A turn as frames: its records in pieces of bounded size, within the session's budget.

use super::frame::{Frame, Turn};
use super::{RECORDS_FRAME_BYTES, SESSION_BYTES_MAX};
use minicbor::bytes::ByteVec;
use orbweave_model::wire;
use std::sync::Arc;

/// Record bytes that a session has given away.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    given: usize,
}

impl Outbox {
    /// The frames of a turn that carries these records. What the budget does not
    /// allow is left out, and found again by the next session.
    pub fn frames(&mut self, turn: Turn, give: Vec<Arc<[u8]>>) -> Vec<Vec<u8>> {
        let (mut frames, mut records, mut size) = (Vec::new(), Vec::new(), 0);
        for bytes in give {
            if self.given + bytes.len() > SESSION_BYTES_MAX {
                break;
            }
            self.given += bytes.len();
            if size + bytes.len() > RECORDS_FRAME_BYTES && !records.is_empty() {
                let records = Some(std::mem::take(&mut records));
                let part = Turn { records, more: Some(true), ..Turn::default() };
                frames.push(wire::encode(&Frame::Turn(part)));
                size = 0;
            }
            size += bytes.len();
            records.push(ByteVec::from(bytes.to_vec()));
        }
        let records = (!records.is_empty()).then_some(records);
        frames.push(wire::encode(&Frame::Turn(Turn { records, ..turn })));
        frames
    }
}
