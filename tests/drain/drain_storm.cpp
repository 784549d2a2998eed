// drain_storm STORE HOME RECORD SEED: a store and its drainer, as a server has them, and a program that
// changes the tree, in one process that may be killed anywhere. Drains first what the journal of STORE lists.
// Then, for each line on standard input, a number, it makes so many changes, tells each to RECORD before and
// behind it (tests/system/checkpoint_record.py has the lines), and says "durable" once all is. Files have
// contents that say which version they are (content_of).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "drain/drainer.hpp"
#include "drain/posix_destination.hpp"

using namespace forebay;

namespace {

void must(bool holds, const char* what) {
  if (!holds) {
    std::perror(what);
    std::_Exit(3);
  }
}

// "SEED:NUMBER:SIZE;" again and again.
std::string content_of(const std::string& version, std::size_t size) {
  std::string text;
  while (text.size() < size) {
    text += version;
  }
  text.resize(size);
  return text;
}

class Storm {
 public:
  Storm(const std::string& store, const std::string& home, const std::string& record, std::string seed)
      : seed_(std::move(seed)), rng_(std::hash<std::string>{}(seed_)) {
    ::mkdir((store + "/tree").c_str(), 0755);
    store_fd_ = ::open(store.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    tree_fd_ = ::open((store + "/tree").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    record_ = ::open(record.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    must(store_fd_ >= 0 && tree_fd_ >= 0 && record_ >= 0, store.c_str());
    auto opened = PosixDestination::open(home);
    auto journal = Journal::open(store_fd_, store);
    must(opened.ok() && journal.ok(), home.c_str());
    destination_ = std::move(opened).value();
    journal_.emplace(std::move(journal).value());

    Drainer::Options options;
    options.tree_fd = tree_fd_;
    options.tree_path = store + "/tree";
    options.mount = "/mount";
    options.tag = "0123456789abcdef";
    options.settle = std::chrono::milliseconds(5);
    options.retry_first = std::chrono::milliseconds(1);
    options.retry_max = std::chrono::milliseconds(20);
    options.on_published = [this](const std::string& path, std::uint64_t seq) {
      JournalEntry entry;
      entry.kind = JournalKind::published;
      entry.path = path;
      entry.about = seq;
      append(entry);
    };
    drainer_ = std::make_unique<Drainer>(*destination_, options);
    auto entries = journal_->read_new();
    must(entries.ok(), "journal");
    for (const auto& entry : *entries) {
      seq_ = std::max({seq_, entry.seq, entry.about});
      drainer_->note(entry);
    }
    drainer_->start();
  }

  void drain() {
    while (drainer_->settle_closed(), !drainer_->is_durable({}) || drainer_->totals().open_names != 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::puts("durable");
    std::fflush(stdout);
  }

  void change() {
    switch (draw(11)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return replace();
      case 4:
      case 5:
        return rewrite();
      case 6:
      case 7:
        return move_directory();
      default:
        return remove();
    }
  }

 private:
  std::size_t draw(std::size_t below) { return rng_() % below; }

  void tell(const std::string& act, const std::string& path, const std::string& more = "") {
    const std::string line =
        R"({"t":0,"node":"s","act":")" + act + R"(","path":")" + path + "\"" + more + "}\n";
    must(::write(record_, line.data(), line.size()) == static_cast<ssize_t>(line.size()), "record");
  }

  std::uint64_t append(JournalEntry& entry) {
    const std::lock_guard lock(mutex_);
    entry.seq = ++seq_;
    must(journal_->append(std::span(&entry, 1)).ok(), "journal");
    return entry.seq;
  }
  std::uint64_t note(JournalKind kind, const std::string& path, const std::string& second = "",
                     std::uint32_t flags = 0, std::uint64_t about = 0) {
    JournalEntry entry;
    entry.kind = kind;
    entry.flags = flags;
    entry.about = about;
    entry.path = path;
    entry.second = second;
    append(entry);
    drainer_->note(entry);  // which may call on_published
    return entry.seq;
  }
  template <typename Act>
  void named(JournalKind kind, const std::string& path, const std::string& second, Act act) {
    const std::uint64_t begun = note(kind, path, second, kJournalBegin);
    must(act() == 0, path.c_str());
    note(kind, path, second, kJournalDone, begun);
  }
  void rename(const std::string& from, const std::string& to) {
    named(JournalKind::renamed, from, to,
          [&] { return ::renameat(tree_fd_, from.c_str(), tree_fd_, to.c_str()); });
  }
  void make_directory(const std::string& path) {
    if (::faccessat(tree_fd_, path.c_str(), F_OK, 0) != 0) {
      named(JournalKind::made_directory, path, "", [&] { return ::mkdirat(tree_fd_, path.c_str(), 0755); });
    }
  }
  void write(const std::string& path, const std::string& content) {
    note(JournalKind::opened, path);
    const int fd = ::openat(tree_fd_, path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(fd >= 0 && ::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()),
         path.c_str());
    ::close(fd);
    note(JournalKind::closed, path);
  }
  // A new content, and its name.
  std::pair<std::string, std::string> version() {
    const std::size_t sizes[] = {30, 4096, 50'000, 300'000, 2'500'000};
    const std::size_t size = sizes[draw(5)];
    const std::string name = seed_ + ":" + std::to_string(++number_) + ":" + std::to_string(size) + ";";
    return {content_of(name, size), R"(,"sum":")" + name + "\""};
  }
  std::string place() {
    const std::string directory = "d" + std::to_string(draw(3));
    make_directory(directory);
    return directory;
  }

  void replace() {
    const std::string path = place() + "/a-" + std::to_string(draw(5));
    const auto [content, sum] = version();
    tell("will", path, sum + R"(,"atomic":true)");
    write(path + ".tmp", content);
    rename(path + ".tmp", path);
    tell("file", path, sum);
    files_.insert(path);
  }
  void rewrite() {
    const std::string path = place() + "/p-" + std::to_string(draw(5));
    const auto [content, sum] = version();
    tell("will", path, sum + R"(,"atomic":false)");
    write(path, content);
    tell("file", path, sum);
    files_.insert(path);
  }
  void move_directory() {
    const std::string name = "m-" + seed_ + "-" + std::to_string(++number_);
    const auto [one, sum_one] = version();
    const auto [two, sum_two] = version();
    tell("will", name + "/a", sum_one + R"(,"atomic":true)");
    tell("will", name + "/below/b", sum_two + R"(,"atomic":true)");
    make_directory(name + ".tmp");
    make_directory(name + ".tmp/below");
    write(name + ".tmp/a", one);
    write(name + ".tmp/below/b", two);
    rename(name + ".tmp", name);
    tell("file", name + "/a", sum_one);
    tell("file", name + "/below/b", sum_two);
    directories_.insert(name);
  }
  void remove() {
    const auto unlink = [&](const std::string& path, int flags) {
      named(JournalKind::removed, path, "", [&] { return ::unlinkat(tree_fd_, path.c_str(), flags); });
    };
    if (draw(2) == 0 && !directories_.empty()) {
      const std::string name = *directories_.begin();
      tell("will_remove", name);
      unlink(name + "/below/b", 0);
      unlink(name + "/below", AT_REMOVEDIR);
      unlink(name + "/a", 0);
      unlink(name, AT_REMOVEDIR);
      tell("removed", name);
      directories_.erase(name);
    } else if (!files_.empty()) {
      const std::string path = *std::next(files_.begin(), static_cast<std::ptrdiff_t>(draw(files_.size())));
      tell("will_remove", path);
      unlink(path, 0);
      tell("removed", path);
      files_.erase(path);
    }
  }

  const std::string seed_;
  std::mt19937_64 rng_;
  std::size_t number_ = 0;
  int store_fd_ = -1, tree_fd_ = -1, record_ = -1;
  std::mutex mutex_;  // journal_, seq_
  std::uint64_t seq_ = 0;
  std::unique_ptr<PosixDestination> destination_;
  std::optional<Journal> journal_;
  std::unique_ptr<Drainer> drainer_;
  std::set<std::string> files_, directories_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: drain_storm STORE HOME RECORD SEED\n");
    return 2;
  }
  Storm storm(argv[1], argv[2], argv[3], argv[4]);
  storm.drain();
  for (int count = 0; std::cin >> count;) {
    while (count-- > 0) {
      storm.change();
    }
    storm.drain();
  }
}
