#define BOOST_TEST_MODULE effective_settings
#include <boost/test/unit_test.hpp>

#include <map>

#include "config/effective_settings.hpp"

using namespace forebay;

namespace {

struct Sources {
  EffectiveSettings::Texts flags;
  std::map<std::string, std::string> environment;
  EffectiveSettings::Texts file;
};

Result<EffectiveSettings> merged(const Sources& sources) {
  const auto look_up = [&](const std::string& name) -> const char* {
    const auto at = sources.environment.find(name);
    return at == sources.environment.end() ? nullptr : at->second.c_str();
  };
  return EffectiveSettings::merge(sources.flags, look_up, "/etc/f.toml", sources.file);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_flag_beats_the_environment_beats_the_file_beats_the_default) {
  Sources sources{{{"capacity", {"1K"}}}, {{"FOREBAY_CAPACITY", "2K"}}, {{"capacity", {"3K"}}}};
  auto settings = merged(sources).value();
  BOOST_TEST(settings.values().capacity_bytes == 1024u);
  BOOST_TEST(settings.place_of("capacity") == "--capacity");

  sources.flags.clear();
  settings = merged(sources).value();
  BOOST_TEST(settings.values().capacity_bytes == 2048u);
  BOOST_TEST(settings.place_of("capacity") == "FOREBAY_CAPACITY");

  sources.environment.clear();
  settings = merged(sources).value();
  BOOST_TEST(settings.values().capacity_bytes == 3072u);
  BOOST_TEST(settings.place_of("capacity") == "/etc/f.toml");

  sources.file.clear();
  settings = merged(sources).value();
  BOOST_TEST(settings.values().capacity_bytes == 0u);
  BOOST_TEST(settings.place_of("capacity") == "default");
}

BOOST_AUTO_TEST_CASE(an_unknown_setting_in_the_file_is_named) {
  const auto settings = merged({{}, {}, {{"capasity", {"1K"}}}});
  BOOST_TEST_REQUIRE(!settings.ok());
  BOOST_TEST(settings.error().text.find("'capasity'") != std::string::npos);
  BOOST_TEST(settings.error().text.find("/etc/f.toml") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_bad_value_is_refused_with_its_place) {
  BOOST_TEST(merged({{}, {{"FOREBAY_NODES", "few"}}, {}}).error().text.starts_with("FOREBAY_NODES: "));
  BOOST_TEST(merged({{{"nodes", {"0"}}}, {}, {}}).error().text.starts_with("--nodes: "));
  BOOST_TEST(merged({{}, {}, {{"prefetch", {"soon"}}}}).error().text.starts_with("/etc/f.toml: prefetch: "));
  BOOST_TEST(!merged({{}, {}, {{"capacity", {"1K", "2K"}}}}).ok(), "one value for one setting");
  BOOST_TEST(!merged({{{"stripe", {"5M"}}}, {}, {}}).ok(), "a stripe is a multiple of the chunk");
}

BOOST_AUTO_TEST_CASE(a_bad_value_that_is_overruled_does_no_harm) {
  BOOST_TEST(merged({{{"nodes", {"2"}}}, {{"FOREBAY_NODES", "few"}}, {}}).value().values().nodes == 2u);
}

BOOST_AUTO_TEST_CASE(a_list_in_a_variable_is_one_line_each) {
  const auto settings = merged({{}, {{"FOREBAY_STAGE", "/a b\n/c=/d\n"}}, {}}).value();
  BOOST_TEST_REQUIRE(settings.values().stages.size() == 2u);
  BOOST_TEST(settings.values().stages[0].origin == "/a b");
  BOOST_TEST(settings.values().stages[1].mount == "/d");
}

BOOST_AUTO_TEST_CASE(an_empty_variable_is_as_good_as_none) {
  BOOST_TEST(
      (merged({{}, {{"FOREBAY_NODES", ""}}, {}}).value().source_of("nodes") == SettingSource::default_value));
}

BOOST_AUTO_TEST_CASE(every_setting_says_its_variable_and_its_default) {
  const auto settings = merged({}).value();
  for (const Setting& setting : all_settings()) {
    BOOST_TEST(setting.variable().starts_with("FOREBAY_"));
    BOOST_TEST(!setting.help.empty());
    BOOST_TEST(!setting.value(settings.values()).is_discarded());
  }
}

BOOST_AUTO_TEST_CASE(settings_of_stores_come_from_the_same_places) {
  const auto settings =
      merged({{{"s3-region", {"eu-west-1"}}, {"anonymous", {"true"}}},
              {{"FOREBAY_S3_ENDPOINT", "https://store:9000"}, {"FOREBAY_ORIGIN_REQUESTS", "50"}},
              {{"ca-file", {"/etc/store.pem"}}, {"s3-addressing", {"virtual"}}}})
          .value();
  BOOST_TEST(settings.values().store.s3_region == "eu-west-1");
  BOOST_TEST(settings.values().store.anonymous);
  BOOST_TEST(settings.values().store.s3_endpoint == "https://store:9000");
  BOOST_TEST(settings.values().store.requests == 50u);
  BOOST_TEST(settings.values().store.ca_file == "/etc/store.pem");
  BOOST_TEST((settings.values().store.s3_addressing == AddressingSetting::virtual_host));
  BOOST_TEST(merged({{{"s3-addressing", {"host"}}}, {}, {}}).error().text.starts_with("--s3-addressing: "));
  BOOST_TEST(merged({{{"origin-deadline", {"0"}}}, {}, {}}).error().text.starts_with("--origin-deadline: "));
}
