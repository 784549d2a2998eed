#include "cli/command_line.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "cli/exit_code.hpp"
#include "config/config_file.hpp"

namespace forebay {
namespace {

// CLI11 takes an argument "[x]" of a repeated option for a list; "./[x]" is the same path and is left alone.
std::string harmless(const char* argument) {
  const std::string text = argument;
  return text.size() >= 2 && text.front() == '[' && text.back() == ']' ? "./" + text : text;
}

}  // namespace

CommandLine::CommandLine()
    : app_("forebay: the fast local disks of a job's nodes as one cache in front of a shared store",
           "forebay") {
  app_.require_subcommand(1);
  app_.set_help_all_flag();
  app_.footer(
      "Example: forebay run --stage /lustre/imagenet --buffer /local/nvme -- python train.py\n"
      "Each verb's --help has examples. Options may also stand in ~/.config/forebay/config.toml (capacity = "
      "\"800G\")\n"
      "and in FOREBAY_* variables (FOREBAY_CAPACITY=800G); flag > environment > file > default.\n"
      "Exit codes: 0 done, 1 failed, 2 usage, 3 does not fit, 4 partly done; run and exec: the command's "
      "own.");
}

CLI::App& CommandLine::add_verb(const std::string& name, const std::string& summary,
                                const std::string& footer, Handler handler) {
  CLI::App& verb = *app_.add_subcommand(name, summary);
  verb.footer(footer);
  verb.add_option("--config", config_path_,
                  "configuration file (FOREBAY_CONFIG; ~/.config/forebay/config.toml)")
      ->type_name("FILE");
  verbs_[&verb].handler = std::move(handler);
  return verb;
}

void CommandLine::add_settings(CLI::App& verb, std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    const Setting& setting = *find_setting(name);
    const auto flag = "--" + std::string(name);
    const std::string help(setting.help);
    CLI::Option* option =
        setting.value_name.empty() ? verb.add_flag(flag, help) : verb.add_option(flag, help);
    if (!setting.value_name.empty()) {
      option->type_name(std::string(setting.value_name));
      option->type_size(1);
      option->expected(1);
    }
    option->multi_option_policy(setting.is_list ? CLI::MultiOptionPolicy::TakeAll
                                                : CLI::MultiOptionPolicy::TakeLast);
    verbs_[&verb].setting_options[setting.name.data()] = option;
  }
}

void CommandLine::needs_command(CLI::App& verb) {
  verbs_[&verb].needs_command = true;
}

Result<EffectiveSettings> CommandLine::resolve(const Verb& verb) const {
  EffectiveSettings::Texts flags;
  for (const auto& [name, option] : verb.setting_options) {
    if (option->count() == 0) {
      continue;
    }
    const Setting& setting = *find_setting(name);
    auto texts = setting.is_list ? option->results() : std::vector{option->results().back()};
    flags[name] = std::move(texts);
  }
  std::string path = config_path_;
  bool is_named = !path.empty();
  if (!is_named) {
    const char* variable = std::getenv("FOREBAY_CONFIG");
    is_named = variable != nullptr && *variable != '\0';
    path = is_named ? variable : default_config_path();
  }
  EffectiveSettings::Texts file;
  if (!path.empty()) {
    auto texts = read_config_file(path);
    if (texts.ok()) {
      file = std::move(texts).value();
    } else if (is_named || texts.error().code != Code::not_found) {
      return Error{Code::bad_argument, texts.error().text};
    }
  }
  return EffectiveSettings::merge(
      flags, [](const std::string& name) { return static_cast<const char*>(std::getenv(name.c_str())); },
      path, file);
}

int CommandLine::run(int argc, char** argv) {
  // Ours is what comes before a lone `--`, the command what comes behind it.
  const auto end = argv + argc;
  const auto separator = std::find(argv + std::min(argc, 1), end, std::string_view("--"));
  Invocation invocation;
  if (separator != end) {
    invocation.command.assign(separator + 1, end);
  }
  std::vector<std::string> arguments;
  std::transform(argv + std::min(argc, 1), separator, std::back_inserter(arguments), harmless);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back.

  const auto usage = [&](const std::string& text) {
    const auto chosen = app_.get_subcommands();
    const auto help =
        chosen.empty() ? "forebay --help" : fmt::format("forebay {} --help", chosen.front()->get_name());
    return fail_with(Error{Code::bad_argument, fmt::format("{} (see `{}`)", text, help)});
  };
  const bool known = argc < 2 || argv[1][0] == '-' ||
                     std::any_of(verbs_.begin(), verbs_.end(),
                                 [&](const auto& verb) { return verb.first->get_name() == argv[1]; });
  if (!known) {
    return usage(fmt::format("unknown verb '{}'", argv[1]));
  }
  try {
    app_.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app_.get_subcommands();
    fmt::print("{}",
               chosen.empty() ? app_.help() : chosen.front()->help("forebay"));
    return static_cast<int>(ExitCode::done);
  } catch (const CLI::ParseError& failure) {
    return usage(failure.what());
  }
  const Verb& verb = verbs_.at(app_.get_subcommands().front());
  if (verb.needs_command && invocation.command.empty()) {
    return usage("no command (give it behind --, as in `-- python train.py`)");
  }
  if (!verb.needs_command && separator != end) {
    return usage("unexpected -- (this verb runs no command)");
  }
  auto settings = resolve(verb);
  if (!settings.ok()) {
    return fail_with(settings.error());
  }
  invocation.settings = std::move(settings).value();
  return verb.handler(invocation);
}

}  // namespace forebay
