#define BOOST_TEST_MODULE checkpoint_settings
#include <boost/test/unit_test.hpp>

#include <map>

#include "config/checkpoint_settings.hpp"
#include "config/effective_settings.hpp"

using namespace forebay;

namespace {

CheckpointSpec parsed(const char* text) {
  return parse_checkpoint(text, "/home/me").value();
}

Result<EffectiveSettings> with_flags(const EffectiveSettings::Texts& flags) {
  return EffectiveSettings::merge(flags, [](const std::string&) -> const char* { return nullptr; }, "", {});
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_directory_alone_is_its_own_mount) {
  BOOST_TEST((parsed("/lustre/run1") == CheckpointSpec{"/lustre/run1", "/lustre/run1"}));
  BOOST_TEST((parsed("out=/ckpt/") == CheckpointSpec{"/home/me/out", "/ckpt"}));
  BOOST_TEST((parsed("/lustre/lr=0.1=/ckpt") == CheckpointSpec{"/lustre/lr=0.1", "/ckpt"}));
}

BOOST_AUTO_TEST_CASE(a_store_is_named_by_its_address_and_has_a_mount) {
  BOOST_TEST((parsed("s3://bucket/run1=/ckpt") == CheckpointSpec{"s3://bucket/run1", "/ckpt"}));
  for (const auto* text : {"s3://bucket/run1", "s3://=/ckpt", "https://host/x=/ckpt", "manifest:m=/ckpt", "",
                           "=/ckpt", "/run1=/"}) {
    BOOST_TEST((parse_checkpoint(text, "/home/me").error().code == Code::bad_argument), text);
  }
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back) {
  for (const auto& spec : {CheckpointSpec{"/a b", "/c d"}, CheckpointSpec{"/x=/y", "/x=/y"},
                           CheckpointSpec{"s3://b/p=1", "/m=/n"}}) {
    BOOST_TEST((parse_checkpoint(checkpoint_text(spec), "/").value() == spec), checkpoint_text(spec));
  }
}

BOOST_AUTO_TEST_CASE(mounts_may_nest_and_neither_they_nor_destinations_are_ever_the_same) {
  using Specs = std::vector<CheckpointSpec>;
  using Stages = std::vector<StageSpec>;
  BOOST_TEST(check_checkpoints(Specs{{"/a", "/m"}, {"/b", "/m/n"}}, Stages{{"/c", "/m/n/o"}}).ok());
  BOOST_TEST(!check_checkpoints(Specs{{"/a", "/m"}, {"/b", "/m"}}, {}).ok());
  BOOST_TEST(!check_checkpoints(Specs{{"/a", "/m"}, {"/a", "/n"}}, {}).ok());
  BOOST_TEST(!check_checkpoints(Specs{{"/a", "/m"}}, Stages{{"/c", "/m"}}).ok());
  Specs many;
  for (std::uint32_t i = 0; i <= kCheckpointsMax; ++i) {
    many.push_back({"/d" + std::to_string(i), "/m" + std::to_string(i)});
  }
  BOOST_TEST(!check_checkpoints(many, {}).ok());
  many.pop_back();
  BOOST_TEST(check_checkpoints(many, {}).ok());
}

BOOST_AUTO_TEST_CASE(settings_of_checkpoints_are_read_and_shown) {
  const auto settings = with_flags({{"checkpoint", {"/a=/m", "/b"}},
                                    {"fsync", {"partner"}},
                                    {"checkpoint-full", {"direct"}},
                                    {"checkpoint-capacity", {"2G"}},
                                    {"partners", {"2"}},
                                    {"checkpoint-last", {"latest", "*.done"}},
                                    {"drain-bandwidth", {"100M/s"}},
                                    {"drain-threads", {"4"}},
                                    {"drain-deadline", {"0"}}})
                            .value();
  const auto& checkpoints = settings.values().checkpoints;
  BOOST_TEST(checkpoints.mounts.size() == 2u);
  BOOST_TEST((checkpoints.fsync == FsyncMode::partner && checkpoints.when_full == FullMode::direct));
  BOOST_TEST(checkpoints.capacity_bytes == 2ull << 30);
  BOOST_TEST((checkpoints.last == std::vector<std::string>{"latest", "*.done"}));
  BOOST_TEST(checkpoints.bandwidth_bytes == 100ull << 20);
  BOOST_TEST((checkpoints.partners == 2 && checkpoints.threads == 4 && checkpoints.deadline_s == 0u));
  BOOST_TEST(find_setting("checkpoint")->value(settings.values()).dump() == R"(["/a=/m","/b"])");
  BOOST_TEST(find_setting("drain-deadline")->value(Settings::defaults()).dump() == "\"auto\"");
}

BOOST_AUTO_TEST_CASE(what_settings_of_checkpoints_cannot_be_is_refused) {
  for (const auto& [name, text] : std::map<std::string, std::string>{{"fsync", "always"},
                                                                     {"partners", "3"},
                                                                     {"drain-threads", "0"},
                                                                     {"drain-deadline", "soon"},
                                                                     {"checkpoint-full", "drop"}}) {
    const auto settings = with_flags({{name, {text}}});
    BOOST_TEST_REQUIRE(!settings.ok(), name);
    BOOST_TEST(settings.error().text.starts_with("--" + name + ": '" + text + "'"), settings.error().text);
  }
}
