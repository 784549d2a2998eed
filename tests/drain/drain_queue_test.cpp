// A model of tree and destination, driven through the queue in random histories: what is published is in
// order at all times, and in the end the destination is the tree, whatever fails and whoever is killed.
#define BOOST_TEST_MODULE drain_queue
#include "drain/drain_queue.hpp"

#include <boost/test/results_collector.hpp>
#include <boost/test/unit_test.hpp>
#include <iostream>
#include <random>

#include "drain/tree_path.hpp"

using namespace forebay;

namespace {

using Names = std::map<std::string, std::string>;  // path: "dir", or "file " and its content

bool is_dir(const Names& names, const std::string& path) {
  const auto found = names.find(path);
  return path.empty() || (found != names.end() && found->second == "dir");
}
std::vector<std::string> below(const Names& names, const std::string& directory) {
  std::vector<std::string> found;
  for (const auto& [path, what] : names) {
    if (path != directory && is_at_or_below(path, directory)) {
      found.push_back(path);
    }
  }
  return found;
}
void move_names(Names* names, const std::string& from, const std::string& to) {
  Names moved;
  for (auto at = names->begin(); at != names->end();) {
    if (is_at_or_below(at->first, from)) {
      moved[to + at->first.substr(from.size())] = at->second;
      at = names->erase(at);
    } else {
      ++at;
    }
  }
  for (const auto& [path, what] : moved) {
    (*names)[path] = what;
  }
}

class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) { restart(false); }

  // ---- What programs do.
  void step() {
    switch (random_() % 16) {
      case 0:
        make_checkpoint();
        break;
      case 1:
        remove_checkpoint();
        break;
      case 2:
        rename_checkpoint();
        break;
      case 3:
      case 4:
      case 5:
        write(random_file());
        break;
      case 6:
        rename_file();
        break;
      case 7:
        remove_file();
        break;
      case 8:
        make_or_remove_directory();
        break;
      case 9:
        rename_directory();
        break;
      case 10:
        begin_writing(random_file());
        break;
      case 11:
        end_writing();
        break;
      case 12:
        note(JournalKind::attributes, random_file());
        break;
      default:
        break;
    }
    for (std::uint64_t i = random_() % 6; i > 0; --i) {
      work();
    }
    check_order();
    if (random_() % 60 == 0) {
      restart(random_() % 2 == 0);
    }
  }
  void finish() {
    while (!open_.empty()) {
      end_writing();
    }
    for (int rounds = 0; !queue_->marks().empty() && rounds < 200'000; ++rounds) {
      fails_ = false;
      work();
      check_order();
    }
    BOOST_TEST(queue_->marks().empty());
    BOOST_TEST(destination_ == tree_);
    for (const auto& [path, what] : tree_) {
      BOOST_TEST((destination_.contains(path) && destination_[path] == what), path << " is not there");
    }
    for (const auto& [path, what] : destination_) {
      BOOST_TEST(tree_.contains(path), path << " is left");
    }
  }

 private:
  template <typename... What>
  static void say(const What&... what) {
    static const bool kSays = std::getenv("FOREBAY_SEED") != nullptr;
    if (kSays) {
      ((std::cerr << what << ' '), ...) << '\n';
    }
  }
  std::string pick(std::initializer_list<const char*> names) {
    return *(names.begin() + static_cast<std::ptrdiff_t>(random_() % names.size()));
  }
  std::string random_directory() {
    std::string path;
    while (random_() % 3 != 0) {
      path = join_path(path, pick({"d", "e", "d-x"}));
    }
    return path;
  }
  std::string random_file() { return join_path(random_directory(), pick({"a", "b", "c", "d"})); }

  void note(JournalKind kind, const std::string& path, const std::string& second = "",
            std::uint32_t flags = 0) {
    JournalEntry entry;
    entry.kind = kind;
    entry.seq = ++seq_;
    entry.path = path;
    entry.second = second;
    entry.flags = flags;
    entry.about = flags == kJournalDone ? begun_ : 0;
    if (flags == kJournalBegin) {
      begun_ = entry.seq;
    }
    journal_.push_back(entry);
    say("note", entry.path, entry.second, entry.seq, static_cast<int>(entry.kind), entry.flags);
    queue_->note(entry, now_);
  }
  template <typename Act>
  void change(JournalKind kind, const std::string& path, const std::string& second, Act act) {
    note(kind, path, second, kJournalBegin);
    act();
    note(kind, path, second, kJournalDone);
  }

  void begin_writing(const std::string& path) {
    if (!is_dir(tree_, parent_of(path)) || is_dir(tree_, path) || open_.size() > 3) {
      return;
    }
    note(JournalKind::opened, path);
    tree_[path] = "file " + std::to_string(++contents_);
    open_.insert(path);
  }
  void end_writing() {
    if (open_.empty()) {
      return;
    }
    auto at = open_.begin();
    std::advance(at, random_() % open_.size());
    const std::string path = *at;
    open_.erase(at);
    tree_[path] = "file " + std::to_string(++contents_);
    if (random_() % 4 != 0) {  // killed ones say nothing
      note(JournalKind::closed, path);
    }
  }
  void write(const std::string& path) {
    if (is_dir(tree_, parent_of(path)) && !is_dir(tree_, path)) {
      note(JournalKind::opened, path);
      tree_[path] = "file " + std::to_string(++contents_);
      if (!open_.contains(path)) {
        note(JournalKind::closed, path);
      }
    }
  }
  void make_directory(const std::string& path) {
    change(JournalKind::made_directory, path, "", [&] { tree_[path] = "dir"; });
  }
  void remove(const std::string& path) {
    change(JournalKind::removed, path, "", [&] {
      tree_.erase(path);
      open_.erase(path);
    });
  }
  void rename(const std::string& from, const std::string& to) {
    change(JournalKind::renamed, from, to, [&] {
      tree_.erase(to);
      open_.erase(to);
      std::set<std::string> open;
      for (const auto& path : open_) {
        open.insert(is_at_or_below(path, from) ? to + path.substr(from.size()) : path);
      }
      open_ = open;
      move_names(&tree_, from, to);
    });
  }
  void rename_file() {
    const std::string from = random_file();
    const std::string to = random_file();
    if (from != to && tree_.contains(from) && !is_dir(tree_, from) && is_dir(tree_, parent_of(to)) &&
        !is_dir(tree_, to)) {
      rename(from, to);
    }
  }
  void remove_file() {
    const std::string path = random_file();
    if (tree_.contains(path) && !is_dir(tree_, path)) {
      remove(path);
    }
  }
  void make_or_remove_directory() {
    const std::string path = random_directory();
    if (path.empty()) {
      return;
    }
    if (!tree_.contains(path) && is_dir(tree_, parent_of(path))) {
      make_directory(path);
    } else if (is_dir(tree_, path)) {
      const auto names = below(tree_, path);
      if (random_() % 3 == 0) {
        for (auto at = names.rbegin(); at != names.rend(); ++at) {
          remove(*at);
        }
      }
      if (below(tree_, path).empty()) {
        remove(path);
      }
    }
  }
  void rename_directory() {
    const std::string from = random_directory();
    const std::string to = random_directory();
    const bool fits = !from.empty() && !to.empty() && is_dir(tree_, from) && is_dir(tree_, parent_of(to)) &&
                      !is_at_or_below(to, from) && !is_at_or_below(from, to) &&
                      (!tree_.contains(to) || (is_dir(tree_, to) && below(tree_, to).empty()));
    if (fits) {
      rename(from, to);
    }
  }

  // A directory under a temporary name, with files and a marker behind them; renamed when it is whole.
  void make_checkpoint() {
    const std::string number = std::to_string(++checkpoints_);
    const std::string directory = "tmp" + number;
    make_directory(directory);
    for (int i = 0; i < 3; ++i) {
      write(directory + "/part" + std::to_string(i));
      if (random_() % 2 == 0) {
        work();
      }
    }
    write(directory + "/marker");
    if (random_() % 3 != 0) {
      rename(directory, "step" + number);
    }
  }
  std::optional<std::string> some_checkpoint() {
    std::vector<std::string> found;
    for (const auto& [path, what] : tree_) {
      if (what == "dir" && (path.starts_with("tmp") || path.starts_with("step"))) {
        found.push_back(path);
      }
    }
    return found.empty() ? std::nullopt : std::optional(found[random_() % found.size()]);
  }
  void rename_checkpoint() {
    const auto directory = some_checkpoint();
    if (directory) {
      rename(*directory, "step" + std::to_string(++checkpoints_));
    }
  }
  void remove_checkpoint() {
    const auto directory = some_checkpoint();
    if (directory) {
      remove(*directory + "/marker");
      for (int i = 0; i < 3; ++i) {
        remove(*directory + "/part" + std::to_string(i));
      }
      remove(*directory);
    }
  }

  // ---- The drain.
  bool fail() { return fails_ && random_() % 6 == 0; }
  void settle() {
    for (const auto& mark : queue_->open_marks()) {
      if (!open_.contains(mark.source)) {
        queue_->close(mark.id, mark.version, 1, now_);
      }
    }
  }
  void work() {
    now_ += std::chrono::milliseconds(random_() % 50);
    switch (random_() % 4) {
      case 0:
        settle();
        break;
      case 1:
        begin_copy();
        break;
      case 2:
        end_copy();
        break;
      default:
        publish();
        break;
    }
    for (const auto& [path, seq] : queue_->take_ended()) {
      // Known to the journal a little later, if at all.
      JournalEntry entry;
      entry.kind = JournalKind::published;
      entry.path = path;
      entry.about = seq;
      told_.push_back(entry);
    }
    while (!told_.empty() && random_() % 3 == 0) {
      JournalEntry entry = told_.front();
      told_.erase(told_.begin());
      entry.seq = ++seq_;
      say("told", entry.path, entry.about);
      journal_.push_back(entry);
      queue_->note(entry, now_);
    }
  }
  void begin_copy() {
    if (copies_.size() < 3) {
      if (const auto mark = queue_->next_copy(now_)) {
        const auto is_present = [&](const std::string& path) {
          return is_dir(destination_, is_dir(tree_, mark->source) ? path : parent_of(path));
        };
        if (!is_present(mark->path)) {
          for (const auto& later : queue_->later_names(*mark)) {
            if (is_present(later)) {
              BOOST_TEST(repeats_);
              queue_->set_path(mark->id, mark->version, later);
              return;
            }
          }
        }
        copies_.push_back({*mark, tree_.contains(mark->source) ? tree_[mark->source] : ""});
      }
    }
  }
  void end_copy() {
    if (copies_.empty()) {
      return;
    }
    const std::size_t which = random_() % copies_.size();
    const auto [mark, content] = copies_[which];
    copies_.erase(copies_.begin() + static_cast<std::ptrdiff_t>(which));
    if (!queue_->is_current(mark.id, mark.version)) {
      return;
    }
    const std::string source = queue_->find(mark.id)->source;
    if (open_.contains(source)) {
      queue_->reopen(mark.id, mark.version);
    } else if (content.empty() || (source != mark.source && content == "dir")) {
      if (source != mark.source || tree_.contains(source)) {
        queue_->again(mark.id, mark.version, now_);
      } else {
        queue_->is_gone(mark.id, mark.version);
      }
    } else if (fail()) {
      queue_->retry(mark.id, mark.version, "failed", now_ + std::chrono::milliseconds(10));
    } else {
      queue_->copied(mark.id, mark.version);
      kept_[mark.id] = {mark.version, content};
    }
  }
  void publish() {
    for (int wave = 0; wave < 3; ++wave) {
      const auto mark = queue_->next_publish(now_);
      if (!mark) {
        break;
      }
      if (random_() % 4 == 0) {
        settle();  // another thread's
      }
      for (const auto& other : queue_->open_before(*mark)) {
        if (!open_.contains(other.source)) {
          queue_->close(other.id, other.version, 1, now_);
        }
      }
      if (!queue_->is_next(*mark)) {
        queue_->copied(mark->id, mark->version);
      } else if (fail()) {
        kept_.erase(mark->id);
        queue_->retry(mark->id, mark->version, "failed", now_ + std::chrono::milliseconds(10));
      } else if (publish(*mark)) {
        queue_->published(mark->id, mark->version);
        wave_.push_back(*mark);
      }
    }
    if (random_() % 3 == 0 || wave_.size() > 4) {
      std::vector<DrainMark> again;
      for (const auto& mark : wave_) {
        if (!fail()) {
          say("durable", mark.path, mark.at.seq);
          queue_->durable(mark.id, mark.version);
        } else if (mark.kind == DrainMark::Kind::rename) {
          again.push_back(mark);  // not made again, but synced
        } else {
          say("not synced", mark.path, mark.at.seq);
          queue_->retry(mark.id, mark.version, "not synced", now_);
        }
      }
      wave_ = again;
    }
  }
  bool publish(const DrainMark& mark) {
    say("publish", mark.path, mark.source, mark.from, mark.at.seq, mark.at.sub,
        static_cast<int>(mark.made_by), mark.removal ? "removal" : "");
    if (mark.kind == DrainMark::Kind::attributes) {
      return true;
    }
    if (mark.kind == DrainMark::Kind::rename) {
      return publish_rename(mark);
    }
    if (mark.removal) {
      BOOST_TEST(below(destination_, mark.path).empty(), mark.path << " is removed with what is in it");
      destination_.erase(mark.path);
      return true;
    }
    const auto found = tree_.find(mark.source);
    if (found == tree_.end()) {
      if (!is_dir(tree_, parent_of(mark.source))) {
        return true;
      }
      queue_->is_gone(mark.id, mark.version);
      return false;
    }
    if (found->second == "dir") {
      put(mark.path, "dir");
      return true;
    }
    const auto kept = kept_.find(mark.id);
    if (kept == kept_.end() || kept->second.first != mark.version) {
      queue_->again(mark.id, mark.version, now_);
      return false;
    }
    BOOST_TEST(below(destination_, mark.path).empty(), mark.path << " replaces what is in it");
    put(mark.path, kept->second.second);
    kept_.erase(kept);
    return true;
  }
  void put(const std::string& path, const std::string& what) {
    for (std::string above = parent_of(path); !above.empty(); above = parent_of(above)) {
      // (Where an earlier server may have renamed it already, or not, it is made.)
      BOOST_TEST((repeats_ || is_dir(destination_, above)), above << " is not there for " << path);
      destination_[above] = "dir";
    }
    if (what != "dir" || !is_dir(destination_, path)) {
      destination_[path] = what;
    }
  }
  bool publish_rename(const DrainMark& mark) {
    if (!destination_.contains(mark.from)) {
      BOOST_TEST((repeats_ || mark.blind || !tree_.contains(mark.source)),
                 mark.from << " is not there to be renamed");
      if (tree_.contains(mark.source) && !mark.blind && mark.source == mark.path) {
        in_place(mark);
      }
      return true;
    }
    if (is_dir(destination_, mark.path) && !below(destination_, mark.path).empty()) {
      BOOST_TEST(repeats_, mark.path << " is not empty");
      in_place(mark);
      queue_->add({mark.from, mark.source, JournalKind::removed, "", ~0U, 0}, mark.at.seq, 0, now_);
      std::uint32_t sub = ~0U - 1;
      for (const auto& path : below(destination_, mark.from)) {
        queue_->add({path, mark.source, JournalKind::removed, "", sub--, 0}, mark.at.seq, 0, now_);
      }
      return true;
    }
    destination_.erase(mark.path);
    move_names(&destination_, mark.from, mark.path);
    return true;
  }
  void in_place(const DrainMark& mark) {
    std::vector<std::string> places = below(tree_, mark.source);
    places.insert(places.begin(), mark.source);
    std::uint32_t sub = DrainQueue::kRenameSub + 1;
    // As files were written, so that markers are last.
    std::stable_sort(places.begin(), places.end(), [&](const auto& a, const auto& b) {
      const auto age = [&](const std::string& path) {
        return tree_[path] == "dir" ? 0 : std::stoi(tree_[path].substr(5));
      };
      return age(a) < age(b);
    });
    for (const auto& place : places) {
      const auto there = destination_.find(mark.path + place.substr(mark.source.size()));
      if (there != destination_.end() && there->second == tree_[place]) {
        continue;
      }
      queue_->add({mark.path + place.substr(mark.source.size()), place,
                   tree_[place] == "dir" ? JournalKind::made_directory : JournalKind::closed, "", sub++, 1},
                  mark.at.seq, 0, now_);
    }
  }
  void restart(bool compacted) {
    std::vector<JournalEntry> entries = journal_;
    if (compacted) {
      entries = queue_->entries();
    }
    repeats_ = queue_ != nullptr;
    say("restart", compacted ? "compacted" : "");
    queue_ = std::make_unique<DrainQueue>(DrainQueue::Options{1, {}, std::chrono::milliseconds(20), 4});
    copies_.clear();
    kept_.clear();
    wave_.clear();
    told_.clear();
    for (const auto& entry : entries) {
      queue_->note(entry, now_);
    }
    queue_->begin();
    journal_ = entries;
  }

  // A marker is never without its files, and a step is never in part.
  void check_order() {
    for (const auto& [path, what] : destination_) {
      const bool is_step = path.starts_with("step") && what == "dir" && is_dir(tree_, path);
      if (name_of(path) == "marker" || is_step) {
        const std::string directory = is_step ? path : parent_of(path);
        for (int i = 0; i < 3; ++i) {
          const std::string part = directory + "/part" + std::to_string(i);
          BOOST_TEST(destination_.contains(part), part << " is not there before " << path);
        }
        BOOST_TEST((!is_step || destination_.contains(path + "/marker")), path << " has no marker");
      }
    }
  }

  std::mt19937_64 random_;
  DrainTime now_{};
  Names tree_;
  std::set<std::string> open_;
  Names destination_;
  std::unique_ptr<DrainQueue> queue_;
  std::vector<JournalEntry> journal_;
  std::vector<JournalEntry> told_;
  std::vector<std::pair<DrainMark, std::string>> copies_;
  std::map<std::uint64_t, std::pair<std::uint64_t, std::string>> kept_;
  std::vector<DrainMark> wave_;
  std::uint64_t seq_ = 0;
  std::uint64_t begun_ = 0;
  int contents_ = 0;
  int checkpoints_ = 0;
  bool fails_ = true;
  bool repeats_ = false;
};

}  // namespace

BOOST_AUTO_TEST_CASE(random_histories_are_drained_in_order_and_whole) {
  const char* only = std::getenv("FOREBAY_SEED");
  const char* more = std::getenv("FOREBAY_SEEDS");
  const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  const std::uint64_t last = only != nullptr   ? first
                             : more != nullptr ? std::strtoull(more, nullptr, 10)
                                               : 400;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      Model model(seed);
      for (int i = 0; i < 150; ++i) {
        model.step();
      }
      model.finish();
      if (only != nullptr ||
          boost::unit_test::results_collector.results(boost::unit_test::framework::current_test_case().p_id)
                  .p_assertions_failed > 0) {
        break;
      }
    }
  }
}
