# Run by peer_read.py.
add_executable(peer_read peer_read.cpp)
target_link_libraries(peer_read PRIVATE forebay_transport_mpi)
