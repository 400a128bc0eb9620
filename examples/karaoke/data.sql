-- 40 customers with three venues each; every venue has four singers, every singer two songs. The same at every start.
insert into customer_profiles (customer_profiles_id, display_name, contact_email, plan, stripe_customer_id, settings)
select
  format('c0000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid,
  (array['Nova Nights', 'Blue Note', 'Golden Mic', 'Echo Lounge', 'Star Chorus'])[1 + (n - 1) % 5]
    || case when n > 5 then ' ' || (array['Nord', 'Süd', 'West', 'Ost', 'City', 'Park', 'Hafen'])[(n - 1) / 5] else '' end,
  format('office-%s@karaoke.example', n),
  (array['house', 'chain', 'trial'])[1 + n % 3]::karaoke_plan,
  format('cus_%s', lpad(n::text, 6, '0')),
  jsonb_build_object('locale', 'de-DE', 'closing', '03:00', 'maxQueue', 20 + n)
from generate_series(1, 40) n;

insert into venues (customer_profiles_id, name, city, hourly_price, rooms)
select c.customer_profiles_id, 'Room ' || v, (array['Berlin', 'Hamburg', 'Köln'])[v], 19.90 + v, array['red', 'blue']
from customer_profiles c, generate_series(1, 3) v
order by c.customer_profiles_id, v;

insert into singers (venue_id, stage_name, birthday)
select v.venue_id, (array['Mika', 'Ada', 'Jo', 'Sam'])[s] || ' ' || v.venue_id, date '1990-01-01' + (v.venue_id * 4 + s)
from venues v, generate_series(1, 4) s
order by v.venue_id, s;

insert into song_requests (singer_id, song)
select s.singer_id, (array['Dancing Queen', 'Wonderwall', '99 Luftballons', 'Bohemian Rhapsody'])[1 + (s.singer_id + n) % 4]
from singers s, generate_series(1, 2) n
order by s.singer_id, n;
