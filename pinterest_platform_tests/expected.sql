-- The eleven outputs, computed from the source tables in DuckDB's SQL: an independent reading of the
-- contract. Each statement after the views is one output, named by the comment above it.

CREATE MACRO bare(s) AS nullif(trim(s, ' ' || chr(9) || chr(10) || chr(13)), '');
CREATE MACRO said(s, placeholder) AS
    CASE WHEN regexp_replace(lower(bare(s)), '\.$', '') = placeholder THEN NULL ELSE bare(s) END;
CREATE MACRO scale(s) AS
    CASE lower(right(s, 1)) WHEN 'k' THEN 1000 WHEN 'm' THEN 1000000 WHEN 'b' THEN 1000000000 END;
CREATE MACRO followers(s) AS CASE
    WHEN regexp_full_match(s, '[0-9]+') THEN CAST(s AS BIGINT)
    WHEN regexp_full_match(s, '[0-9]{1,3}(,[0-9]{3})+') THEN CAST(replace(s, ',', '') AS BIGINT)
    WHEN regexp_full_match(s, '[0-9]+(\.[0-9]+)?[kKmMbB]')
        THEN CAST(CAST(left(s, -1) AS DECIMAL(18, 6)) * scale(s) AS BIGINT)
END;

CREATE VIEW p AS
SELECT "index" AS ind, bare(category) AS category, said(poster_name, 'user info error') AS poster_name,
    followers(bare(follower_count)) AS follower_count
FROM pinterest_data;

CREATE VIEW g AS
SELECT ind, bare(country) AS country, year(CAST("timestamp" AS TIMESTAMP)) AS post_year
FROM geolocation_data
WHERE latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180;

CREATE VIEW u AS
SELECT ind, concat_ws(' ', bare(first_name), bare(last_name)) AS user_name, age, date_joined,
    year(CAST(date_joined AS TIMESTAMP)) AS joining_year,
    CASE WHEN age < 18 THEN NULL WHEN age <= 24 THEN '18-24' WHEN age <= 35 THEN '25-35'
        WHEN age <= 50 THEN '36-50' ELSE '+50' END AS age_group
FROM user_data
WHERE age BETWEEN 0 AND 120;

CREATE VIEW posts AS
SELECT * FROM p LEFT JOIN g USING (ind) LEFT JOIN u USING (ind);

-- category_counts_by_country
SELECT country, category, count(*) AS category_count FROM posts
WHERE country IS NOT NULL AND category IS NOT NULL GROUP BY ALL ORDER BY ALL;

-- top_category_by_country
SELECT country, category, count(*) AS category_count FROM posts
WHERE country IS NOT NULL AND category IS NOT NULL GROUP BY country, category
QUALIFY rank() OVER (PARTITION BY country ORDER BY count(*) DESC) = 1 ORDER BY ALL;

-- category_counts_by_year
SELECT post_year, category, count(*) AS category_count FROM posts
WHERE post_year BETWEEN 2018 AND 2022 AND category IS NOT NULL GROUP BY ALL ORDER BY ALL;

-- top_category_by_year
SELECT post_year, category, count(*) AS category_count FROM posts
WHERE post_year BETWEEN 2018 AND 2022 AND category IS NOT NULL GROUP BY post_year, category
QUALIFY rank() OVER (PARTITION BY post_year ORDER BY count(*) DESC) = 1 ORDER BY ALL;

-- top_user_by_country
SELECT DISTINCT country, poster_name, follower_count FROM posts
WHERE country IS NOT NULL AND poster_name IS NOT NULL AND follower_count IS NOT NULL
QUALIFY rank() OVER (PARTITION BY country ORDER BY follower_count DESC) = 1 ORDER BY ALL;

-- country_of_top_user
SELECT DISTINCT country, follower_count FROM posts
WHERE country IS NOT NULL AND poster_name IS NOT NULL AND follower_count IS NOT NULL
QUALIFY rank() OVER (ORDER BY follower_count DESC) = 1 ORDER BY ALL;

-- top_category_by_age_group
SELECT age_group, category, count(*) AS category_count FROM posts
WHERE age_group IS NOT NULL AND category IS NOT NULL GROUP BY age_group, category
QUALIFY rank() OVER (PARTITION BY age_group ORDER BY count(*) DESC) = 1 ORDER BY ALL;

-- median_followers_by_age_group
SELECT age_group, quantile_cont(follower_count, 0.5) AS median_follower_count FROM posts
WHERE age_group IS NOT NULL AND follower_count IS NOT NULL GROUP BY ALL ORDER BY ALL;

-- users_joined_by_year
SELECT joining_year, count(DISTINCT (user_name, age, date_joined)) AS number_users_joined FROM posts
WHERE joining_year BETWEEN 2015 AND 2020 GROUP BY ALL ORDER BY ALL;

-- median_followers_by_joining_year
SELECT joining_year, quantile_cont(follower_count, 0.5) AS median_follower_count FROM posts
WHERE joining_year BETWEEN 2015 AND 2020 AND follower_count IS NOT NULL GROUP BY ALL ORDER BY ALL;

-- median_followers_by_joining_year_and_age_group
SELECT joining_year, age_group, quantile_cont(follower_count, 0.5) AS median_follower_count FROM posts
WHERE joining_year BETWEEN 2015 AND 2020 AND age_group IS NOT NULL AND follower_count IS NOT NULL
GROUP BY ALL ORDER BY ALL;
