#define BOOST_TEST_MODULE journal
#include "drain/journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>

#include "common/scratch_directory.hpp"

using namespace forebay;
using namespace std::chrono_literals;

namespace {

struct Store {
  ScratchDirectory directory;
  UniqueFd fd{::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  std::string file = directory.path() + "/journal";

  Journal open() const {
    auto opened = Journal::open(fd.get(), directory.path());
    BOOST_REQUIRE(opened.ok());
    return std::move(opened).value();
  }
  std::string bytes() const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void set_bytes(const std::string& bytes) const {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  }
};

JournalEntry entry_of(std::uint64_t seq, std::string path, std::string second = "") {
  JournalEntry entry;
  entry.kind = second.empty() ? JournalKind::closed : JournalKind::renamed;
  entry.flags = second.empty() ? 0 : kJournalDone;
  entry.seq = seq;
  entry.time_ns = seq * 10;
  entry.about = seq + 100;
  entry.size = seq + 200;
  entry.sum = seq + 300;
  entry.path = std::move(path);
  entry.second = std::move(second);
  return entry;
}

std::vector<JournalEntry> read(Journal& journal) {
  auto got = journal.read_new();
  BOOST_REQUIRE(got.ok());
  return std::move(got).value();
}

std::string text_of(const JournalEntry& e) {
  return std::to_string(static_cast<int>(e.kind)) + " " + std::to_string(e.flags) + " " +
         std::to_string(e.seq) + " " + std::to_string(e.time_ns) + " " + std::to_string(e.about) + " " +
         std::to_string(e.size) + " " + std::to_string(e.sum) + " " + e.path + " > " + e.second;
}
std::vector<std::string> texts(const std::vector<JournalEntry>& entries) {
  std::vector<std::string> out;
  for (const auto& entry : entries) {
    out.push_back(text_of(entry));
  }
  return out;
}

// What a client does (in a process of its own).
bool client_append(const std::string& file, const JournalEntry& entry) {
  alignas(8) char bytes[kJournalRecordBytesMax];
  JournalRecord record{};
  record.kind = static_cast<uint16_t>(entry.kind);
  record.flags = entry.flags;
  record.seq = entry.seq;
  const std::size_t length = encode_journal_record(record, entry.path.data(), entry.path.size(),
                                                   entry.second.data(), entry.second.size(), bytes);
  for (;;) {
    const UniqueFd fd(::open(file.c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
    struct stat info {};
    if (!fd.valid() || ::flock(fd.get(), LOCK_SH) != 0 || ::fstat(fd.get(), &info) != 0) {
      return false;
    }
    if (info.st_nlink == 0) {
      continue;
    }
    const bool put = ::write(fd.get(), bytes, length) == static_cast<ssize_t>(length);
    ::flock(fd.get(), LOCK_UN);
    return put;
  }
}

template <typename Work>
pid_t in_child(Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(work() ? 0 : 1);
  }
  return child;
}
bool ended_well(pid_t child) {
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_was_appended_is_read_in_order_and_once) {
  const Store store;
  Journal journal = store.open();
  const std::vector<JournalEntry> first{entry_of(1, "a"), entry_of(2, "d/b", "d/c")};
  const std::vector<JournalEntry> second{entry_of(3, ""), entry_of(4, std::string(kTreePathBytesMax - 1, 'x'),
                                                                   std::string(kTreePathBytesMax - 1, 'y'))};
  BOOST_TEST(read(journal).empty());
  BOOST_REQUIRE(journal.append(first).ok());
  BOOST_TEST(texts(read(journal)) == texts(first), boost::test_tools::per_element());
  BOOST_REQUIRE(journal.append(second).ok());
  BOOST_TEST(texts(read(journal)) == texts(second), boost::test_tools::per_element());
  BOOST_TEST(read(journal).empty());

  Journal again = store.open();
  BOOST_TEST(read(again).size() == 4u);
  BOOST_TEST(again.bytes() == store.bytes().size());
}

BOOST_AUTO_TEST_CASE(a_record_torn_at_any_byte_costs_itself_alone) {
  const Store store;
  {
    Journal journal = store.open();
    BOOST_REQUIRE(journal.append(std::vector{entry_of(1, "first"), entry_of(2, "torn", "torn2")}).ok());
  }
  const std::string both = store.bytes();
  const std::size_t first = both.size() - ((sizeof(JournalRecord) + 9 + 7) & ~std::size_t{7});
  for (std::size_t cut = first; cut < both.size(); ++cut) {
    store.set_bytes(both.substr(0, cut));
    Journal journal = store.open();
    BOOST_TEST(read(journal).size() == 1u, "cut at " << cut);
    BOOST_TEST(journal.torn_records() == 0u);
    BOOST_REQUIRE(journal.append(std::vector{entry_of(3, "behind"), entry_of(4, "last")}).ok());
    const auto behind = read(journal);
    BOOST_REQUIRE_EQUAL(behind.size(), 2u);
    BOOST_TEST(behind[0].path == "behind");
    BOOST_TEST(behind[1].path == "last");
    BOOST_TEST(journal.torn_records() == (cut > first ? 1u : 0u));
    Journal again = store.open();
    BOOST_TEST(read(again).size() == 3u);
  }
}

BOOST_AUTO_TEST_CASE(a_record_still_on_its_way_is_read_when_it_is_whole) {
  const Store store;
  Journal journal = store.open();
  BOOST_REQUIRE(journal.append(std::vector{entry_of(1, "whole")}).ok());
  const std::string whole = store.bytes();
  BOOST_TEST(read(journal).size() == 1u);
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    store.set_bytes(whole + whole.substr(0, cut));
    BOOST_TEST(read(journal).empty());
  }
  store.set_bytes(whole + whole);
  BOOST_TEST(read(journal).size() == 1u);
  BOOST_TEST(journal.torn_records() == 0u);
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_costs_its_record_alone) {
  const Store store;
  {
    Journal journal = store.open();
    BOOST_REQUIRE(
        journal.append(std::vector{entry_of(1, "first"), entry_of(2, "flipped", "x"), entry_of(3, "last")})
            .ok());
  }
  const std::string whole = store.bytes();
  const std::size_t from = (sizeof(JournalRecord) + 5 + 7) & ~std::size_t{7};
  const std::size_t to = from + ((sizeof(JournalRecord) + 8 + 7) & ~std::size_t{7});
  for (std::size_t bit = from * 8; bit < to * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    store.set_bytes(bytes);
    Journal journal = store.open();
    const auto got = read(journal);
    BOOST_REQUIRE_EQUAL(got.size(), 2u);
    BOOST_TEST(got[0].path == "first");
    BOOST_TEST(got[1].path == "last");
    BOOST_TEST(journal.torn_records() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(garbage_of_any_length_between_records_is_passed_over) {
  const Store store;
  std::vector<JournalEntry> entries;
  for (std::uint64_t i = 0; i < 400; ++i) {
    entries.push_back(entry_of(i, std::string(i * 10, 'p')));
  }
  {
    Journal journal = store.open();
    BOOST_REQUIRE(journal.append(entries).ok());
  }
  std::mt19937_64 random(1);
  const std::string records = store.bytes();
  std::string bytes;
  std::size_t at = 0;
  std::uint64_t gaps = 0;
  for (const auto& entry : entries) {
    const std::size_t length = (sizeof(JournalRecord) + entry.path.size() + 7) & ~std::size_t{7};
    if (random() % 3 == 0) {
      std::string garbage(random() % 8 == 0 ? random() % 3'000'000 : random() % 99, '\0');
      for (std::size_t i = 0; i < garbage.size(); i += 1 + random() % 7) {
        garbage[i] = static_cast<char>(random());
      }
      if (random() % 2 == 0 && garbage.size() > 4) {
        std::memcpy(garbage.data() + garbage.size() / 2, &kJournalMagic, 4);
      }
      gaps += garbage.empty() ? 0 : 1;
      bytes += garbage;
    }
    bytes += records.substr(at, length);
    at += length;
  }
  store.set_bytes(bytes);
  Journal journal = store.open();
  BOOST_TEST((texts(read(journal)) == texts(entries)));
  BOOST_TEST(journal.torn_records() == gaps);
}

BOOST_AUTO_TEST_CASE(a_rewrite_leaves_its_entries_alone_and_what_comes_behind) {
  const Store store;
  Journal journal = store.open();
  BOOST_REQUIRE(journal.append(std::vector{entry_of(1, "gone"), entry_of(2, "kept")}).ok());
  auto all = read(journal);
  const std::vector<JournalEntry> kept{all[1]};
  store.set_bytes(store.bytes() + "torn");
  BOOST_REQUIRE(journal.rewrite(kept, 1s).ok());
  BOOST_TEST(read(journal).empty());
  BOOST_REQUIRE(journal.append(std::vector{entry_of(3, "behind")}).ok());
  BOOST_TEST(read(journal).size() == 1u);
  Journal again = store.open();
  const auto got = read(again);
  BOOST_REQUIRE_EQUAL(got.size(), 2u);
  BOOST_TEST(text_of(got[0]) == text_of(all[1]));
  BOOST_TEST(got[1].path == "behind");
  BOOST_TEST(again.torn_records() == 0u);
}

BOOST_AUTO_TEST_CASE(a_rewrite_of_what_was_not_read_is_refused) {
  const Store store;
  Journal journal = store.open();
  BOOST_REQUIRE(journal.append(std::vector{entry_of(1, "a")}).ok());
  const auto refused = journal.rewrite({}, 1s);
  BOOST_REQUIRE(!refused.ok());
  BOOST_TEST((refused.error().code == Code::unavailable));
  BOOST_TEST(read(journal).size() == 1u);
  BOOST_TEST(journal.rewrite({}, 1s).ok());
  BOOST_TEST(store.bytes().empty());
}

BOOST_AUTO_TEST_CASE(a_rewrite_that_was_cut_before_its_rename_never_was) {
  const Store store;
  {
    Journal journal = store.open();
    BOOST_REQUIRE(journal.append(std::vector{entry_of(1, "a")}).ok());
  }
  std::ofstream(store.directory.path() + "/journal.new") << "half";
  Journal journal = store.open();
  BOOST_TEST(read(journal).size() == 1u);
  BOOST_TEST(::access((store.directory.path() + "/journal.new").c_str(), F_OK) != 0);
}

BOOST_AUTO_TEST_CASE(links_and_other_things_in_its_place_are_refused) {
  for (const bool link : {true, false}) {
    const Store store;
    if (link) {
      BOOST_REQUIRE(::symlink("elsewhere", store.file.c_str()) == 0);
    } else {
      BOOST_REQUIRE(::mkfifo(store.file.c_str(), 0600) == 0);
    }
    const auto refused = Journal::open(store.fd.get(), store.directory.path());
    BOOST_REQUIRE(!refused.ok());
    BOOST_TEST((refused.error().code == Code::permission));
    BOOST_TEST(::access((store.directory.path() + "/elsewhere").c_str(), F_OK) != 0);
  }
}

BOOST_AUTO_TEST_CASE(a_client_that_stopped_while_it_holds_the_journal_is_waited_for_so_long_and_not_longer) {
  const Store store;
  Journal journal = store.open();
  const UniqueFd client(::open(store.file.c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
  BOOST_REQUIRE(::flock(client.get(), LOCK_SH) == 0);
  const auto refused = journal.rewrite({}, 20ms);
  BOOST_REQUIRE(!refused.ok());
  BOOST_TEST((refused.error().code == Code::unavailable));
  BOOST_TEST((journal.lock(20ms).error().code == Code::unavailable));
  // What others append goes on.
  BOOST_TEST(journal.append(std::vector{entry_of(1, "a")}).ok());
  BOOST_TEST(read(journal).size() == 1u);
  ::flock(client.get(), LOCK_UN);
  BOOST_TEST(journal.rewrite({}, 1s).ok());
}

BOOST_AUTO_TEST_CASE(while_an_exclusive_lives_clients_wait_and_the_server_appends) {
  const Store store;
  Journal journal = store.open();
  const UniqueFd client(::open(store.file.c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
  {
    auto locked = journal.lock(1s);
    BOOST_REQUIRE(locked.ok());
    auto moved = std::move(locked).value();
    BOOST_TEST(::flock(client.get(), LOCK_SH | LOCK_NB) != 0);
    BOOST_TEST(journal.append(std::vector{entry_of(1, "a")}).ok());
  }
  BOOST_TEST(::flock(client.get(), LOCK_SH | LOCK_NB) == 0);
  ::flock(client.get(), LOCK_UN);
  BOOST_TEST(journal.lock(1s).ok());
}

BOOST_AUTO_TEST_CASE(nothing_is_lost_or_read_twice_while_processes_append_and_the_journal_is_rewritten) {
  constexpr std::uint64_t kProcesses = 4;
  constexpr std::uint64_t kEach = 400;
  const Store store;
  Journal journal = store.open();
  std::vector<pid_t> children;
  for (std::uint64_t process = 0; process < kProcesses; ++process) {
    children.push_back(in_child([&] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        if (!client_append(store.file, entry_of(process * kEach + i, std::string(1 + i % 300, 'p')))) {
          return false;
        }
      }
      return true;
    }));
  }
  std::map<std::uint64_t, int> seen;
  std::vector<JournalEntry> pending;
  std::uint64_t rewrites = 0;
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (seen.size() < kProcesses * kEach && std::chrono::steady_clock::now() < deadline) {
    for (const auto& entry : read(journal)) {
      ++seen[entry.seq];
      pending.push_back(entry);
    }
    // The latest half stays, as what is pending would.
    if (pending.size() > 20) {
      const std::vector<JournalEntry> kept(pending.end() - static_cast<std::ptrdiff_t>(pending.size() / 2),
                                           pending.end());
      if (journal.rewrite(kept, 5ms).ok()) {
        pending = kept;
        ++rewrites;
      }
    }
  }
  for (const pid_t child : children) {
    BOOST_TEST(ended_well(child));
  }
  BOOST_TEST(seen.size() == kProcesses * kEach);
  for (const auto& [seq, times] : seen) {
    BOOST_TEST(times == 1, seq << " was read " << times << " times");
  }
  BOOST_TEST(rewrites > 0u);
  BOOST_TEST(journal.torn_records() == 0u);
  Journal again = store.open();
  BOOST_TEST((texts(read(again)) == texts(pending)));
}

BOOST_AUTO_TEST_CASE(clients_killed_at_any_time_lose_nothing_that_was_appended_whole) {
  const Store store;
  Journal journal = store.open();
  std::mt19937_64 random(7);
  std::uint64_t told = 0;
  int told_by[2];
  BOOST_REQUIRE(::pipe(told_by) == 0);
  for (std::uint64_t round = 0; round < 40; ++round) {
    const pid_t child = in_child([&] {
      for (std::uint64_t i = 0;; ++i) {
        const std::uint64_t seq = round << 32 | i;
        if (!client_append(store.file, entry_of(seq, std::string(1 + i % 4000, 'p'))) ||
            ::write(told_by[1], &seq, sizeof seq) != sizeof seq) {
          return false;
        }
      }
    });
    std::uint64_t seq = 0;
    std::set<std::uint64_t> promised;
    const std::uint64_t wanted = 1 + random() % 20;
    while (promised.size() < wanted && ::read(told_by[0], &seq, sizeof seq) == sizeof seq) {
      promised.insert(seq);
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ::fcntl(told_by[0], F_SETFL, O_NONBLOCK);
    while (::read(told_by[0], &seq, sizeof seq) == sizeof seq) {
      promised.insert(seq);
    }
    ::fcntl(told_by[0], F_SETFL, 0);
    for (const auto& entry : read(journal)) {
      told += promised.erase(entry.seq);
    }
    BOOST_TEST(promised.empty());
  }
  BOOST_TEST(told > 40u);
  ::close(told_by[0]);
  ::close(told_by[1]);
}
