# zstd-napi's addon, from the sources in its npm package. Its own installer downloads a prebuilt file or Node's headers from hosts
# that a bare machine may not reach; the headers of Node-API come from npm (node-api-headers) just as well.
# The defines are those of the package's binding.gyp and deps/zstd.gyp.

P := node_modules/zstd-napi
O := $(P)/build
TARGET := $(O)/Release/binding.node

C := $(wildcard $(P)/deps/zstd/lib/*/*.c)
S := $(wildcard $(P)/deps/zstd/lib/*/*.S)
CC_SOURCES := $(wildcard $(P)/src/*.cc)
OBJECTS := $(patsubst $(P)/%,$(O)/o/%.o,$(C) $(S) $(CC_SOURCES))

COMMON := -O2 -fPIC -fvisibility=hidden -fexceptions -pthread -D_FORTIFY_SOURCE=2 -w
ZSTD := -DXXH_NAMESPACE=ZSTD_ -DZSTDERRORLIB_VISIBLE= -DZSTDLIB_VISIBLE= -DZSTD_MULTITHREAD -DZSTD_NO_TRACE
NAPI := -std=c++17 -DNAPI_VERSION=8 -DNODE_ADDON_API_DISABLE_DEPRECATED -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS \
	-DNODE_API_NO_EXTERNAL_BUFFERS_ALLOWED -DBUILDING_NODE_EXTENSION -DNODE_GYP_MODULE_NAME=binding \
	-Inode_modules/node-addon-api -Inode_modules/node-api-headers/include -I$(P)/deps/zstd/lib

$(TARGET): $(OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -shared -static-libstdc++ -static-libgcc -pthread -Wl,-z,noexecstack,-z,relro,-z,now -Wl,--as-needed -s -o $@.tmp $^
	@mv $@.tmp $@

$(O)/o/%.c.o: $(P)/%.c
	@mkdir -p $(@D)
	$(CC) $(COMMON) $(ZSTD) -c -o $@ $<

$(O)/o/%.S.o: $(P)/%.S
	@mkdir -p $(@D)
	$(CC) $(COMMON) $(ZSTD) -c -o $@ $<

$(O)/o/%.cc.o: $(P)/%.cc
	@mkdir -p $(@D)
	$(CXX) $(COMMON) $(NAPI) -c -o $@ $<
