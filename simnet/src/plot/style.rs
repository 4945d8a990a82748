//! Colours and type. The hues are Okabe and Ito's, which people who confuse red and
//! green can tell apart; each is legible on a light and on a dark ground.

use super::recording::State;

/// The style sheet of a picture.
pub(super) const SHEET: &str = "
text { font: 11px system-ui, 'DejaVu Sans', sans-serif; fill: #1f2328; }
.title { font-size: 15px; font-weight: 600; }
.head { font-size: 12px; font-weight: 600; }
.muted { fill: #656d76; }
.right { text-anchor: end; }
.middle { text-anchor: middle; }
.ground { fill: #ffffff; }
.panel { fill: #f6f8fa; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.phase { stroke: #656d76; stroke-width: 1; stroke-dasharray: 4 3; }
.violation { stroke: #d4002a; stroke-width: 2; }
.right-view { fill: #56b4e9; }
.wrong-view { fill: #e69f00; }
.lost-view { fill: #d55e00; }
.doubts { fill: #b8609a; }
.frozen { fill: #7d858f; }
.off { fill: #d8dee4; }
.band { fill: #e69f00; fill-opacity: 0.45; }
.bad { stroke: #d55e00; stroke-width: 2; }
.good { stroke: #009e73; stroke-width: 2; }
.people { stroke: #0072b2; stroke-width: 2; }
.running { fill: #56b4e9; fill-opacity: 0.75; }
.wanted { fill: none; stroke: #1f2328; stroke-width: 1.5; stroke-dasharray: 5 3; }
.mean { fill: none; stroke: #0072b2; stroke-width: 1.5; }
.busiest { fill: none; stroke: #e69f00; stroke-width: 1; }
.recovery { stroke: #d55e00; stroke-width: 1.5; }
.dot { fill: #d55e00; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.muted { fill: #9198a1; }
.ground { fill: #0d1117; }
.panel { fill: #151b23; }
.grid { stroke: #30363d; }
.phase { stroke: #9198a1; }
.violation { stroke: #ff5c74; }
.frozen { fill: #848d97; }
.off { fill: #2a313a; }
.people { stroke: #56b4e9; }
.mean { stroke: #56b4e9; }
.wanted { stroke: #e6edf3; }
}
";

/// The class of a host's state.
pub(super) const fn class_of(state: State) -> &'static str {
    match state {
        State::Right => "right-view",
        State::Wrong => "wrong-view",
        State::Lost => "lost-view",
        State::Doubts => "doubts",
        State::Frozen => "frozen",
        State::Off => "off",
    }
}

/// What a host's state is called in the legend.
pub(super) const fn words_of(state: State) -> &'static str {
    match state {
        State::Right => "knows who is there",
        State::Wrong => "wrong about some",
        State::Lost => "wrong about over a quarter",
        State::Doubts => "doubts itself",
        State::Frozen => "stands still",
        State::Off => "off",
    }
}

/// All states, in the order of the legend.
pub(super) const STATES: [State; 6] =
    [State::Right, State::Wrong, State::Lost, State::Doubts, State::Frozen, State::Off];
