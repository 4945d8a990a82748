use super::*;
use orbweave_model::Mono;
use std::time::Duration;

const MS: u64 = 1_000_000;

fn quiet() -> LinkModel {
    LinkModel::lan().delay(Duration::from_millis(10)).jitter(Duration::ZERO)
}

fn parcel(care: Care, bytes: u32, payload: u32) -> Parcel<u32> {
    Parcel::new(0, 1, care, bytes, payload)
}

fn all(net: &mut Emulator<u32>, until: u64) -> Vec<u32> {
    std::iter::from_fn(|| net.poll(Mono(until * MS))).map(|p| p.payload).collect()
}

#[test]
fn a_full_queue_drops_the_last_datagram_and_delays_a_stream() {
    // 1,000 bytes a ms.
    let model = LinkModel { queue_bytes: 3_000, ..quiet() }.bits_per_s(8_000_000);
    let mut net = Emulator::new(1, Uniform::new(model.clone()));
    for i in 0..20 {
        net.send(Mono(0), parcel(Care::Lossy, 1_000 - Overhead::DATAGRAM as u32, i));
    }
    assert_eq!(all(&mut net, 11), [0], "the first is through after 1 + 10 ms");
    assert_eq!(all(&mut net, 1_000), [1, 2, 3]);
    let mut net = Emulator::new(1, Uniform::new(model));
    for i in 0..20 {
        net.send(Mono(0), parcel(Care::Ordered, 936, i));
    }
    assert_eq!(all(&mut net, 29).len(), 19);
    assert_eq!(all(&mut net, 1_000), [19]);
}

#[test]
fn losses_are_as_many_as_said_and_bursts_come_together() {
    let count = |loss: Loss| {
        let mut net = Emulator::new(3, Uniform::new(LinkModel { bits_per_s: None, ..quiet() }.loss(loss)));
        for i in 0..100_000 {
            net.send(Mono(0), parcel(Care::Lossy, 100, i));
        }
        let arrived = all(&mut net, 1_000);
        let gaps = arrived.windows(2).filter(|w| w[1] != w[0] + 1).count();
        (100_000 - arrived.len(), gaps)
    };
    let (lost, gaps) = count(Loss::independent(20_000));
    assert!((1_800..2_200).contains(&lost) && gaps > lost * 9 / 10, "{lost} {gaps}");
    let burst = Burst { enter_ppm: 2_000, leave_ppm: 100_000, loss_ppm: 1_000_000 };
    let (lost, gaps) = count(Loss { independent_ppm: 0, burst: Some(burst) });
    assert!((1_500..2_500).contains(&lost) && gaps < lost / 5, "{lost} {gaps}");
}

#[test]
fn a_stream_arrives_whole_and_in_order_through_losses_and_a_cut() {
    let mut net = Emulator::new(5, Uniform::new(quiet().loss(Loss::independent(300_000))));
    for i in 0..100 {
        net.send(Mono(u64::from(i) * MS), parcel(Care::Ordered, 100, i));
    }
    net.cut(0, 1);
    assert!(all(&mut net, 60_000).is_empty());
    net.mend(Mono(60_000 * MS), 0, 1);
    assert_eq!(all(&mut net, 120_000), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_cut_is_one_way_and_takes_what_is_on_its_way() {
    let mut net = Emulator::new(5, Uniform::new(quiet()));
    net.send(Mono(0), parcel(Care::Lossy, 10, 1));
    net.cut(0, 1);
    net.send(Mono(0), Parcel::new(1, 0, Care::Lossy, 10, 2));
    assert_eq!(all(&mut net, 50), [2]);
    net.mend(Mono(50 * MS), 0, 1);
    net.send(Mono(50 * MS), parcel(Care::Lossy, 10, 3));
    assert_eq!(all(&mut net, 100), [3]);
}

#[test]
fn a_reset_connection_forgets_its_streams() {
    let mut net = Emulator::new(5, Uniform::new(quiet()));
    net.send(Mono(0), parcel(Care::Ordered, 10, 1));
    net.links().reset(1, 0);
    net.send(Mono(0), parcel(Care::Ordered, 10, 2));
    assert_eq!(all(&mut net, 50), [2]);
}

#[test]
fn outside_of_a_contact_datagrams_are_lost_and_streams_wait() {
    let contacts = Contacts::new(vec![(Mono(100 * MS), Mono(200 * MS))]);
    let mut net = Emulator::new(5, Uniform::new(quiet().contacts(contacts)));
    net.send(Mono(0), parcel(Care::Lossy, 10, 1));
    net.send(Mono(0), parcel(Care::Ordered, 10, 2));
    net.send(Mono(150 * MS), parcel(Care::Lossy, 10, 3));
    assert!(all(&mut net, 109).is_empty());
    assert_eq!(all(&mut net, 200), [2, 3]);
}

#[test]
fn what_happens_on_one_link_does_not_change_the_luck_of_another() {
    let arrivals = |noise: bool| {
        let mut net = Emulator::new(9, Uniform::new(quiet().loss(Loss::independent(500_000))));
        for i in 0..100 {
            net.send(Mono(0), parcel(Care::Lossy, 100, i));
            if noise {
                net.send(Mono(0), Parcel::new(2, 3, Care::Lossy, 100, 1_000));
            }
        }
        all(&mut net, 100).into_iter().filter(|i| *i < 1_000).collect::<Vec<_>>()
    };
    assert_eq!(arrivals(false), arrivals(true));
}

#[test]
fn a_datagram_is_charged_with_its_headers_and_half_an_acknowledgement() {
    let mut net = Emulator::new(9, Uniform::new(quiet()));
    net.send(Mono(0), parcel(Care::Lossy, 100, 0));
    let meter = &net.links().meter;
    assert_eq!(meter.of(0, Class::Lan), Sent { bytes: 158, packets: 1 });
    assert_eq!(meter.of(1, Class::Lan).bytes, 30);
    assert_eq!(meter.of(0, Class::Wan), Sent::default());
}
