#include "transport/mpi_settings.hpp"

namespace forebay {

namespace {

// What every rank's MPI gets. A rank that uses no InfiniBand must not look for it (the openib BTL warns on
// each start).
const NamedValues& common_parameters() {
  static const NamedValues parameters{
      {"btl_base_warn_component_unused", "0"},
      {"mca_base_component_show_load_errors", "0"},
  };
  return parameters;
}

constexpr std::uint32_t kKillAfterSeconds = 3;

// pt2pt is for a single rank, for which osc/rdma finds no BTL.
MpiSetting shared_memory() {
  return {"shm",
          "shared memory (osc/rdma over vader)",
          {{"pml", "ob1"}, {"btl", "vader,self"}, {"osc", "rdma,pt2pt"}, {"osc_rdma_btls", "vader"}},
          {}};
}

// Containers without CAP_SYS_PTRACE cannot copy between processes directly.
MpiSetting shared_memory_copied() {
  auto setting = shared_memory();
  setting.name = "shm-copied";
  setting.description = "shared memory without single copies (osc/rdma over vader)";
  setting.parameters.emplace_back("btl_vader_single_copy_mechanism", "none");
  return setting;
}

MpiSetting ucx(std::string name, std::string description, std::string devices_checked,
               std::string transports) {
  MpiSetting setting{std::move(name),
                     std::move(description),
                     {{"pml", "ucx"}, {"btl", "^openib,uct,ofi"}, {"osc", "ucx"}},
                     {{"UCX_WARN_UNUSED_ENV_VARS", "n"}, {"UCX_LOG_LEVEL", "fatal"}}};
  // By default Open MPI takes UCX only with InfiniBand-class devices. `any` lifts that.
  if (!devices_checked.empty()) {
    setting.parameters.emplace_back("pml_ucx_tls", devices_checked);
    setting.parameters.emplace_back("pml_ucx_devices", devices_checked);
    setting.parameters.emplace_back("opal_common_ucx_tls", devices_checked);
    setting.parameters.emplace_back("opal_common_ucx_devices", devices_checked);
  }
  if (!transports.empty()) {
    setting.environment.emplace_back("UCX_TLS", std::move(transports));
  }
  return setting;
}

// On one host the loopback interface is enough, and unlike the others it never goes away while the job runs.
MpiSetting ucx_loopback() {
  auto setting = ucx("ucx-lo", "UCX over TCP on the loopback interface", "any", "tcp,self");
  setting.environment.emplace_back("UCX_NET_DEVICES", "lo");
  return setting;
}

MpiSetting tcp() {
  return {"tcp", "TCP (osc/pt2pt over ob1)", {{"pml", "ob1"}, {"btl", "tcp,self"}, {"osc", "pt2pt"}}, {}};
}

MpiSetting tcp_loopback() {
  auto setting = tcp();
  setting.name = "tcp-lo";
  setting.description = "TCP on the loopback interface (osc/pt2pt over ob1)";
  setting.parameters.emplace_back("btl_tcp_if_include", "lo");
  return setting;
}

}  // namespace

std::vector<MpiSetting> mpi_settings(MpiReach reach) {
  if (reach == MpiReach::one_host) {
    return {shared_memory(), shared_memory_copied(),
            ucx("ucx-shm", "UCX over shared memory", "any", "shm,tcp,self"), ucx_loopback(), tcp_loopback()};
  }
  return {ucx("ucx", "UCX over InfiniBand-class devices", "", ""),
          ucx("ucx-tcp", "UCX over TCP", "any", "tcp,self"), tcp()};
}

const MpiSetting* find_mpi_setting(const std::vector<MpiSetting>& settings, const std::string& name) {
  for (const auto& setting : settings) {
    if (setting.name == name) {
      return &setting;
    }
  }
  return nullptr;
}

std::vector<std::string> mpirun_launch_arguments(std::uint32_t kill_after_s) {
  // A host that went silent is given up after 2 + 3 * 1 s.
  return {"--oversubscribe",
          "--bind-to",
          "none",
          "--mca",
          "odls_base_sigkill_timeout",
          std::to_string(kill_after_s),
          "--mca",
          "oob_tcp_keepalive_time",
          "2",
          "--mca",
          "oob_tcp_keepalive_intvl",
          "1",
          "--mca",
          "oob_tcp_keepalive_probes",
          "3"};
}

std::vector<std::string> mpirun_arguments(const MpiSetting& setting) {
  auto arguments = mpirun_launch_arguments(kKillAfterSeconds);
  arguments.emplace_back("--allow-run-as-root");
  for (const auto* parameters : {&common_parameters(), &setting.parameters}) {
    for (const auto& [name, value] : *parameters) {
      arguments.insert(arguments.end(), {"--mca", name, value});
    }
  }
  for (const auto& [name, value] : setting.environment) {
    arguments.insert(arguments.end(), {"-x", name + "=" + value});
  }
  return arguments;
}

NamedValues rank_environment(const MpiSetting& setting) {
  NamedValues environment = setting.environment;
  for (const auto* parameters : {&common_parameters(), &setting.parameters}) {
    for (const auto& [name, value] : *parameters) {
      environment.emplace_back("OMPI_MCA_" + name, value);
    }
  }
  return environment;
}

}  // namespace forebay
