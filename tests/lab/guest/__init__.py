"""What runs inside the virtual machine, as root of a kernel that is thrown away afterwards."""
