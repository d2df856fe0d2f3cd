//! Ranks as threads: what they exchange, and what keeps them from coming together.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use tch::Tensor;

use super::rendezvous::address_to_others;
use super::store::Store;
use super::*;

fn placement(rank: usize, size: usize, port: u16) -> Placement {
    let (host, attempt) = ("127.0.0.1".into(), String::new());
    Placement {
        rank,
        size,
        local_rank: rank,
        several_hosts: false,
        host,
        port,
        launcher: Launcher::Torchrun,
        served: false,
        attempt,
    }
}

/// Runs the ranks, each on a thread: (number, size, version) of each.
fn joined<T: Send + 'static>(
    ranks: &[(usize, usize, &'static str)],
    timeout: Duration,
    work: impl Fn(World) -> T + Clone + Send + 'static,
) -> Vec<Result<T, DistributedError>> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut listener = Some(listener);
    let threads: Vec<_> = ranks
        .iter()
        .map(|&(rank, size, version)| {
            let listener = if rank == 0 { listener.take() } else { None };
            let work = work.clone();
            thread::spawn(move || {
                let rendezvous = Rendezvous { placement: placement(rank, size, port), listener, timeout, ended: None };
                rendezvous.join(version, &|| false).map(work)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// Does this on so many ranks, each a thread.
pub(crate) fn on_ranks<T: Send + 'static>(ranks: usize, work: impl Fn(World) -> T + Clone + Send + 'static) -> Vec<T> {
    let ranks: Vec<_> = (0..ranks).map(|rank| (rank, ranks, "a")).collect();
    joined(&ranks, PATIENT, work).into_iter().map(Result::unwrap).collect()
}

const PATIENT: Duration = Duration::from_secs(60);
const HASTY: Duration = Duration::from_secs(3);

#[test]
fn ranks_add_broadcast_and_gather() {
    let ranks: Vec<_> = (0..4).map(|rank| (rank, 4, "a")).collect();
    let found = joined(&ranks, PATIENT, |world| {
        let rank = world.rank();
        let numbers = Tensor::from_slice(&[rank as f32, 1.0]);
        world.all_reduce(&numbers).unwrap();
        let bytes = if rank == 0 { b"hello".to_vec() } else { Vec::new() };
        let sent = world.broadcast(bytes).unwrap();
        let nothing = world.broadcast(Vec::new()).unwrap();
        let gathered = world.all_gather(vec![7; rank]).unwrap();
        world.agree("mood", "good").unwrap();
        let differing = world.agree("mood", if rank == 2 { "bad" } else { "good" }).unwrap_err().to_string();
        world.barrier().unwrap();
        (Vec::<f32>::try_from(&numbers).unwrap(), sent, nothing, gathered, differing)
    });
    for found in found {
        let (numbers, sent, nothing, gathered, differing) = found.unwrap();
        assert_eq!((numbers, sent, nothing), (vec![6.0, 4.0], b"hello".to_vec(), Vec::new()));
        assert_eq!(gathered, [vec![], vec![7], vec![7, 7], vec![7, 7, 7]]);
        assert_eq!(differing, "the ranks have another mood: rank 0 has good, rank 2 has bad");
    }
}

#[test]
fn ranks_that_do_not_belong_together_are_told_apart() {
    // What each rank says; that the store is gone if the first has said why and left before it looked.
    let errors = |ranks: &[(usize, usize, &'static str)]| -> Vec<String> {
        let found = joined(ranks, HASTY, |_| ());
        let said = found.into_iter().map(|found| found.err().map_or_else(String::new, |error| error.to_string()));
        said.filter(|error| !error.starts_with("the store of rank 0 is gone")).collect()
    };
    let versions = errors(&[(0, 2, "finesift 1"), (1, 2, "finesift 2")]);
    assert!(!versions.is_empty());
    for error in versions {
        assert!(error.contains("finesift 1, 2 ranks") && error.contains("finesift 2, 2 ranks"), "{error}");
    }
    let sizes = errors(&[(0, 2, "a"), (1, 3, "a")]);
    assert!(!sizes.is_empty());
    for error in sizes {
        assert!(error.contains("a, 2 ranks") && error.contains("a, 3 ranks"), "{error}");
    }
    let twice = errors(&[(0, 3, "a"), (1, 3, "a"), (1, 3, "a")]);
    assert!(!twice.is_empty() && twice.iter().all(|error| error == "two processes are rank 1 of 3"), "{twice:?}");
    let missing = errors(&[(0, 3, "a"), (1, 3, "a")]);
    let expected =
        ["rank 2 has not come within 3 s; rank 0 listens on 127.0.0.1:", "not all ranks have come within 3 s"];
    let known = |error: &String| expected.iter().any(|expected| error.starts_with(expected));
    assert!(!missing.is_empty() && missing.iter().all(known), "{missing:?}");
}

#[test]
fn a_launcher_may_serve_the_store_and_start_ranks_again() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let _store = Store::serve(listener, "", PATIENT).unwrap();
    for attempt in ["0", "1"] {
        let ranks = [0, 1].map(|rank| {
            thread::spawn(move || {
                let placement = Placement { served: true, attempt: attempt.into(), ..placement(rank, 2, port) };
                let rendezvous = Rendezvous { placement, listener: None, timeout: PATIENT, ended: None };
                rendezvous.join("a", &|| false).unwrap().barrier()
            })
        });
        ranks.into_iter().for_each(|rank| rank.join().unwrap().unwrap());
    }
}

#[test]
fn garbage_on_the_port_does_no_harm() {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let rendezvous =
        |rank, listener| Rendezvous { placement: placement(rank, 2, port), listener, timeout: PATIENT, ended: None };
    let first = rendezvous(0, Some(listener));
    let first = thread::spawn(move || first.join("a", &|| false).unwrap().barrier());
    // Of all lengths, beginnings of requests among them.
    let noise = (0..40u8).map(|round| (0..round * 3).map(|i| i.wrapping_mul(31).wrapping_add(round)).collect());
    // What a client begins with, and requests with texts of any length, most of which do not follow.
    let requests = (0..20u8).flat_map(|request| {
        [0, 3, 8192, 1 << 33, u64::MAX].map(|length| {
            let hello = [&[0][..], &0x3C85_F7CEu32.to_le_bytes()].concat();
            [&hello[..], &[request], &length.to_le_bytes(), b"abc", &length.to_le_bytes()].concat()
        })
    });
    for bytes in noise.chain(requests) {
        let bytes: Vec<u8> = bytes;
        let Ok(mut stranger) = TcpStream::connect(("127.0.0.1", port)) else { continue };
        let _ = stranger.write_all(&bytes);
        let _ = stranger.set_read_timeout(Some(Duration::from_millis(5)));
        let _ = stranger.read(&mut [0; 16]);
    }
    rendezvous(1, None).join("a", &|| false).unwrap().barrier().unwrap();
    first.join().unwrap().unwrap();
}

#[test]
fn the_store_is_reached_by_the_address_it_is_given_and_no_other() {
    use std::net::TcpStream;

    let listener = TcpListener::bind(("127.0.0.2", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let store = Store::serve(listener, "", PATIENT).unwrap();
    store.set("here", b"yes").unwrap();
    let other = Store::connect("127.0.0.2", port, "", PATIENT).unwrap();
    assert_eq!(other.get("here", PATIENT).unwrap(), b"yes");
    for elsewhere in ["127.0.0.1", "127.0.0.3"] {
        assert!(TcpStream::connect((elsewhere, port)).is_err(), "{elsewhere}");
    }
    // The same for a rank that opens the socket itself.
    let free = TcpListener::bind(("127.0.0.2", 0)).unwrap().local_addr().unwrap().port();
    let ranks = [0, 1].map(|rank| {
        thread::spawn(move || {
            let placement = Placement { host: "127.0.0.2".into(), ..placement(rank, 2, free) };
            let rendezvous = Rendezvous { placement, listener: None, timeout: PATIENT, ended: None };
            let world = rendezvous.join("a", &|| false).unwrap();
            let reached = TcpStream::connect(("127.0.0.1", free)).is_ok();
            world.barrier().unwrap();
            reached
        })
    });
    assert_eq!(ranks.map(|rank| rank.join().unwrap()), [false, false]);
}

#[test]
fn a_store_that_does_not_answer_a_rank_that_ends_is_asked_no_more() {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Store::serve(listener, "", PATIENT).unwrap();
    server.set("here", b"yes").unwrap();
    // What the server's process sends arrives until it hangs.
    let between = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let entrance = between.local_addr().unwrap().port();
    let hangs = Arc::new(AtomicBool::new(false));
    let forward = |mut from: TcpStream, mut to: TcpStream, hangs: Arc<AtomicBool>| {
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                if !hangs.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        })
    };
    let relay = thread::spawn({
        let hangs = Arc::clone(&hangs);
        move || {
            let (client, _) = between.accept().unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let ends = [client.try_clone().unwrap(), server.try_clone().unwrap()];
            forward(client, ends[1].try_clone().unwrap(), Arc::clone(&hangs));
            forward(server, ends[0].try_clone().unwrap(), hangs);
        }
    });
    let store = Store::connect("127.0.0.1", entrance, "", PATIENT).unwrap();
    relay.join().unwrap();
    assert_eq!(store.has("here"), Ok(true));
    assert_eq!(store.failure(), Ok(None));
    store.fail("the disk is full");
    assert_eq!(server.failure(), Ok(Some("the disk is full".to_owned())));
    hangs.store(true, Ordering::SeqCst);
    store.hurry();
    let unanswered = |seconds| Err(DistributedError(format!("no answer within {seconds} s")));
    assert_eq!(store.has("here"), unanswered(1));
    assert_eq!(store.has("here"), unanswered(0));
    assert_eq!(store.failure(), Err(DistributedError("no answer within 0 s".into())));
}

#[test]
fn a_first_rank_whose_name_is_loopback_on_its_own_host_is_reached_from_others() {
    use std::net::TcpStream;

    let Some(own) = address_to_others() else {
        println!("skipped: this machine reaches no other");
        return;
    };
    let port = TcpListener::bind((own, 0)).unwrap().local_addr().unwrap().port();
    let ranks = [0, 1].map(|rank| {
        thread::spawn(move || {
            let placement = Placement { host: "localhost".into(), several_hosts: true, ..placement(rank, 2, port) };
            let rendezvous = Rendezvous { placement, listener: None, timeout: PATIENT, ended: None };
            let world = rendezvous.join("a", &|| false).unwrap();
            let reached = [own, [127, 0, 0, 1].into()].map(|address| TcpStream::connect((address, port)).is_ok());
            world.barrier().unwrap();
            reached
        })
    });
    assert_eq!(ranks.map(|rank| rank.join().unwrap()), [[true, false]; 2]);
}

#[test]
fn a_rank_that_waits_can_be_stopped() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let placement = placement(0, 2, listener.local_addr().unwrap().port());
    let rendezvous = Rendezvous { placement, listener: Some(listener), timeout: PATIENT, ended: None };
    let error = rendezvous.join("a", &|| true).err().unwrap();
    assert_eq!(error.to_string(), "the run was stopped before all ranks had come");
}

#[test]
fn a_rank_that_goes_ends_the_others_operations() {
    let found = joined(&[(0, 2, "a"), (1, 2, "a")], PATIENT, |world| {
        if world.rank() == 1 {
            world.abort("rank 1: the disk is on fire");
            return String::new();
        }
        world.barrier().unwrap_err().to_string()
    });
    assert_eq!(found[0].as_ref().unwrap(), "rank 1: the disk is on fire");
}

#[test]
fn a_process_on_its_own_sends_nothing() {
    let world = World::ALONE;
    let numbers = Tensor::from_slice(&[2.0f32]);
    world.all_reduce(&numbers).unwrap();
    world.barrier().unwrap();
    assert!(world.is_alone() && world.is_first() && world.size() == 1 && numbers.double_value(&[0]) == 2.0);
    assert_eq!(world.all_gather(vec![3]).unwrap(), [vec![3]]);
    assert_eq!(world.broadcast(vec![4]).unwrap(), [4]);
    world.agree("anything", "at all").unwrap();
}

#[test]
fn a_port_where_nothing_answers_is_not_waited_for_beyond_the_time_out() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let placement = placement(1, 2, listener.local_addr().unwrap().port());
    let rendezvous = Rendezvous { placement, listener: None, timeout: HASTY, ended: None };
    let begin = std::time::Instant::now();
    let error = rendezvous.join("a", &|| false).err().unwrap().to_string();
    assert!(error.starts_with("rank 1 cannot reach rank 0 at 127.0.0.1:"), "{error}");
    assert!(begin.elapsed() < PATIENT, "{:?}", begin.elapsed());
}
