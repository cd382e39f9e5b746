#include "engine/function_lists_internal.h"

namespace hyprstream::engine {

namespace {

// clang-format off
// The gate has more to say on duckdb_databases (not its paths). query and query_table become what they name.
constexpr std::string_view kAllowedTableFunctions = R"~~(
duckdb_columns duckdb_constraints duckdb_coordinate_systems duckdb_databases duckdb_dependencies duckdb_functions
duckdb_indexes duckdb_keywords duckdb_optimizers duckdb_schemas duckdb_sequences duckdb_tables duckdb_triggers
duckdb_types duckdb_views generate_series icu_calendar_names json_each json_tree pg_timezone_names pragma_collations
pragma_platform pragma_show pragma_table_info pragma_user_agent pragma_version range repeat repeat_row seq_scan
summary test_all_types unnest query query_table view_scan states hyprstream_system backend_query
)~~";

constexpr std::string_view kRefusedTableFunctions = R"~~(
arrow_scan arrow_scan_dumb check_peg_parser checkpoint create_external_resource deregister_external_resource
destroy_external_resource disable_logging disable_profiling duckdb_approx_database_count duckdb_available_metrics
duckdb_connection_count duckdb_dialects duckdb_eviction_queues duckdb_extension_repositories duckdb_extensions
duckdb_external_file_cache duckdb_external_resource_types duckdb_external_resources duckdb_grammar_extensions
duckdb_log_contexts duckdb_logs duckdb_memory duckdb_prepared_statements duckdb_secret_type_parameters
duckdb_secret_types duckdb_secrets duckdb_settings duckdb_table_sample duckdb_temporary_files duckdb_variables
enable_logging enable_profiling force_checkpoint glob json_execute_serialized_sql parquet_bloom_probe
parquet_file_metadata parquet_full_metadata parquet_kv_metadata parquet_metadata parquet_scan parquet_schema
pragma_database_size pragma_metadata_info pragma_storage_info read_blob read_csv read_csv_auto read_duckdb read_json
read_json_auto read_json_objects read_json_objects_auto read_ndjson read_ndjson_auto read_ndjson_objects
read_parquet read_single_csv_file read_single_json_file read_single_parquet_file read_text
register_external_resource register_external_resource_type sniff_csv sql_auto_complete sql_tokenize
test_vector_types truncate_duckdb_logs which_secret hyprstream_input
)~~";

// The gate has more to say on current_setting.
constexpr std::string_view kAllowedFunctions = R"~~(
!= !__postfix !~~ !~~* % & && * ** + - ->> / // < <-> << <= <=> <@ = > >= >> @ @> ^ ^@ __between __cast abs acos
acosh add age aggregate alias any_value apply apply_logistic apply_weights approx_count_distinct approx_quantile approx_top_k arbitrary arg_max
arg_max_null arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg array_aggr
array_aggregate array_apply array_cat array_concat array_contains array_cosine_distance array_cosine_similarity
array_cross_product array_distance array_distinct array_dot_product array_extract array_filter array_grade_up
array_has array_has_all array_has_any array_indexof array_inner_product array_intersect array_length
array_negative_dot_product array_negative_inner_product array_position array_reduce array_resize array_reverse_sort
array_select array_slice array_sort array_to_json array_transform array_unique array_value array_where array_zip
ascii asin asinh atan atan2 atanh avg bar base64 bin binom bit_and bit_count bit_length bit_or bit_position bit_xor
bitstring bitstring_agg bitstring_byte_comparable bool_and bool_or can_cast_implicitly cardinality cast_to_type cbrt
ceil ceiling century char_length character_length chr combine concat concat_ws constant_or_null contains corr cos cosh cot
count count_if count_star countif covar_pop covar_samp create_sort_key cume_dist current_connection_id
current_database current_date current_localtime current_localtimestamp current_query current_query_id current_schema
current_schemas current_setting current_transaction_id currval damerau_levenshtein date_diff date_part date_sub
date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear decade decimal_average
decayed_count decayed_sum decimal_division decode degrees dense_rank divide editdist3 element_at encode ends_with entropy enum_code enum_first
enum_last enum_range enum_range_boundary epoch epoch_ms epoch_ns epoch_us equi_width_bins era error even ewma exp
factorial favg fill filter first first_value flatten floor format format_bytes formatreadabledecimalsize
formatreadablesize from_base64 from_binary from_hex from_json from_json_strict fsum gamma gcd gen_random_uuid
generate_series get_bit get_current_time get_current_timestamp get_type grade_up greatest greatest_common_divisor
group_concat hamming hash hex histogram histogram_exact hive_partition_component hour hyprstream_event_time hyprstream_hop_starts
hyprstream_order_key hyprstream_present hyprstream_state hyprstream_value_key hyprstream_window_end hyprstream_window_width icu_sort_key ilike_escape
in_search_path instr invoke is_histogram_other_bin isfinite isinf isnan isodow isoyear jaccard jaro_similarity
jaro_winkler_similarity json_array json_array_length json_contains json_deep_merge json_exists json_extract
json_extract_path json_extract_path_text json_extract_string json_insert json_keys json_merge_patch
json_merge_patch_diff json_normalize json_object json_pretty json_quote json_remove json_replace json_set
json_strip_nulls json_structure json_transform json_transform_strict json_type json_valid json_value julian
kahan_sum kurtosis kurtosis_pop lag last last_day last_value lcase lcm lead least least_common_multiple left linear_fit
left_grapheme len length length_grapheme levenshtein lgamma like_escape list list_aggr list_aggregate list_apply
list_cat list_concat list_contains list_cosine_distance list_cosine_similarity list_distance list_distinct
list_dot_product list_element list_extract list_filter list_grade_up list_has list_has_all list_has_any list_indexof
list_inner_product list_intersect list_negative_dot_product list_negative_inner_product list_pack list_position
list_reduce list_resize list_reverse_sort list_select list_slice list_sort list_transform list_unique list_value
list_where list_zip listagg ln log log10 log2 logistic_fit lower lpad ltrim lttb mad make_date make_time make_timestamp
make_timestamp_ms make_timestamp_ns make_timestamptz make_type map map_concat map_contains map_entries map_extract
map_extract_value map_from_entries map_keys map_values max max_by md5 md5_number mean median microsecond millennium
millisecond min min_by minute mismatches mod mode month monthname multiply nanosecond nextafter nextval
nfc_normalize normalized_interval not_ilike_escape not_like_escape now nth_value ntile octet_length ord overlay
parse_dirname parse_dirpath parse_filename parse_formatted_bytes parse_path path_join percent_rank pi position pow
power prefix printf product quantile quantile_cont quantile_disc quarter radians random range rank rank_dense reduce
regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
regexp_split_to_array regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
remap_struct repeat replace replace_type reservoir_quantile reverse right right_grapheme round round_even
roundbankers row row_number row_to_json rpad rtrim second sem set_bit setval sha1 sha256 sign signbit sin sinh
skewness split sqrt st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_crs st_geomfromgeojson st_geomfromwkb
st_intersects_extent st_setcrs standard_scaler starts_with stddev stddev_pop stddev_samp str_split str_split_regex strftime
string_agg string_split string_split_regex string_to_array strip_accents strlen strpos strptime struct_concat
struct_contains struct_extract struct_extract_at struct_has struct_indexof struct_insert struct_keys struct_pack
struct_position struct_update struct_values substr substring substring_grapheme subtract suffix sum sum_no_overflow
sumkahan switch tan tanh time_bucket timetz_byte_comparable timezone timezone_hour timezone_minute to_base to_base64
to_binary to_centuries to_days to_decades to_hex to_hours to_json to_microseconds to_millennia to_milliseconds
to_minutes to_months to_quarters to_seconds to_timestamp to_weeks to_years today transaction_timestamp translate
trim trunc try_strptime txid_current typeof ucase unbin unhex unicode union_extract union_tag union_value
unpivot_list upper url_decode url_encode uuid uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 var_pop
var_samp variance variant_array_length variant_comparator variant_contains variant_exists variant_extract
variant_extract_string variant_group_object variant_keys variant_normalize variant_to_parquet_variant variant_type
variant_typeof vec_avg vec_max vec_min vec_normalize vec_stddev vec_sum vector_type version vertex_extract week weekday weekofyear
window_closed xor year yearweek zscore | || ~ ~~ ~~* ~~~
)~~";

constexpr std::string_view kRefusedFunctions = R"~~(
sleep_ms setseed write_log json_serialize_plan json_serialize_sql json_deserialize_sql duckdb_format_sql
to_aggregate_state finalize combine_aggr variant_bytes_to_variant index_key getvariable
parse_duckdb_log_message stats
)~~";
// clang-format on

constexpr std::string_view kClientSettings =
    "TimeZone, Calendar, schema, search_path, default_null_order, default_order, use_views, use_pushdown";

// Words of a text, by blanks and commas, folded.
std::unordered_set<std::string> Words(std::string_view text) {
  std::unordered_set<std::string> words;
  std::string word;
  for (const char c : std::string(text) + " ") {
    if (c != ' ' && c != '\n' && c != ',') {
      word.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    } else if (!word.empty()) {
      words.insert(std::move(word));
      word.clear();
    }
  }
  return words;
}

}  // namespace

const std::unordered_set<std::string>& RefusedTableFunctionNames() {
  static const auto refused = Words(kRefusedTableFunctions);
  return refused;
}

Verdict OnTableFunction(const std::string& name) {
  static const auto allowed = Words(kAllowedTableFunctions);
  if (allowed.contains(name)) return Verdict::kAllowed;
  return RefusedTableFunctionNames().contains(name) ? Verdict::kRefused : Verdict::kUnknown;
}

const std::unordered_set<std::string>& RefusedFunctionNames() {
  static const auto refused = Words(kRefusedFunctions);
  return refused;
}

Verdict OnFunction(const std::string& name) {
  static const auto allowed = Words(kAllowedFunctions);
  if (allowed.contains(name)) return Verdict::kAllowed;
  if (RefusedFunctionNames().contains(name)) return Verdict::kRefused;
  // Families too long to list: the locales' sort keys, and what DuckDB's optimizer puts in after the gate has looked.
  if (name.starts_with("collate_") || name.starts_with("icu_collate_")) return Verdict::kAllowed;
  if (name.starts_with("__internal_")) return Verdict::kRefused;
  if (name == "is distinct from" || name == "is not distinct from") return Verdict::kAllowed;
  return Verdict::kUnknown;
}

const std::unordered_set<std::string>& ClientSettingNames() {
  static const auto settings = Words(kClientSettings);
  return settings;
}

bool IsClientSetting(const std::string& name) { return ClientSettingNames().contains(name); }

std::string_view ClientSettings() { return kClientSettings; }

}  // namespace hyprstream::engine
